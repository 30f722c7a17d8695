"""portolan: a server for SVP, and what writes its store.

    portolan serve            portolanadm
       server  ──► session       │  producer, transfer, check
                      │          │
                      ▼          ▼
                    store: Snapshot (questions)   Transaction (changes)
                      ├── sqlite      one process's writers, any readers; nothing to configure
                      ├── postgres    several servers over one database
                      └── memory      for tests and simulated worlds

Servers keep nothing: whatever they answer they read in the same moment, so all of them say the same (SVP-I24) and no answer is older
than the event that voids it (SVP-Q9). Whoever changes a mapping writes it and the events that tell of it in one transaction (SVP-I23).
"""
