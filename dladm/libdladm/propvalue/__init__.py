"""Values of link properties: what a command line may say, what the kernel is told, what is shown (DLM 5.6). Pure.

Every module is one syntax and has two functions:

* `parse(values) -> value` takes the texts between the commas and gives what the kernel's structures hold, or raises `DladmError` with the
  status that the command prints. The number of values is tested first, then each value in order, then the values together.
* `format(value) -> texts` gives what show-linkprop prints, one text a value; no texts for "nothing" (`--`). What it gives can be
  parsed again and means the same, but for the few client ids that cannot be shown.

A fixed list of words has `names` besides: the possible values, in the order in which they are shown.

| module                | property             | value                   | syntax                                                     |
|-----------------------|----------------------|-------------------------|------------------------------------------------------------|
| `allow_all_dhcp_cids` | allow-all-dhcp-cids  | bool                    | `true`, `false`                                            |
| `allowed_dhcp_cids`   | allowed-dhcp-cids    | tuple of `MacDhcpcid`   | at most 32: DUIDs, `0xHEX`, strings                        |
| `allowed_ips`         | allowed-ips          | tuple of `MacIpaddr`    | at most 32: `ADDRESS[/PREFIX]` of either family            |
| `autopush`            | autopush             | `Autopush`              | `mod.mod.[anchor].mod`, at most 8 modules                  |
| `cpus`                | cpus, cpus-effective | tuple of int            | `N`, `N-N`; at most 128 in all                             |
| `dynamic_methods`     | dynamic-methods      | `DynamicMethod`         | any of `dhcpv4`, `dhcpv6`, `slaac`, `addrconf`             |
| `forward`             | forward              | bool                    | `1`, `0`                                                   |
| `maxbw`               | maxbw                | int, bit/s              | `N[K|M|G]`, M by default; 0 or at least 1200K              |
| `mtu`                 | mtu                  | int, bytes              | an integer of C                                            |
| `pool`                | pool, pool-effective | str, empty for none     | a name                                                     |
| `priority`            | priority             | `MacPriority`           | `low`, `medium`, `high`                                    |
| `promisc_filtered`    | promisc-filtered     | bool                    | `off`, `on`                                                |
| `protection`          | protection           | `MacProtect`            | any of `mac-nospoof`, `restricted`, `ip-nospoof`, …        |
| `rings`               | rxrings, txrings     | `Rings`                 | `hw`, `sw`, `N`                                            |
| `secondary_macs`      | secondary-macs       | tuple of MAC addresses  | at most 31 MAC addresses                                   |
| `tagmode`             | tagmode              | `TagMode`               | `normal`, `vlanonly`                                       |
| `zone`                | zone                 | str, empty for the host | a name; `global`                                           |

Texts are refused where the original ignores part of them (DLM-Q17, DLM-Q18): what follows a number, and values beyond the one that counts.
"""
