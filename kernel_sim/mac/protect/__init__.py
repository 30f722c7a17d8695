"""Link protection: what a client may say it is (KRN 6.14). Pure.

    sent by the client                          received by it
          |                                           |
    1 header that cannot be read ──► tx_protect_unparsed
    2 mac-nospoof     source MAC address                |
    3 restricted      ethertype, VLAN id           learn (ip-nospoof only)
    4 ip-nospoof      IPv4, ARP, IPv6, NDP  ◄──── answers of DHCP servers,
    5 dhcp-nospoof    chaddr, client ids           prefixes of routers
          |
    goes on, byte for byte

Each frame meets the checks that are on, in that order. The first it fails drops it and moves one counter: macspoofed, restricted,
ipspoofed or dhcpspoofed (KRN-I34). A run is judged once where its frames cannot differ, else frame by frame.

Which addresses are the client's own:

* those of `allowed-ips`, 0.0.0.0, `::`, and the link-local address of its MAC address;
* what it got by a dynamic method: leases of DHCP, addresses in prefixes that routers advertise. A method counts if `dynamic-methods`
  names it, or if neither methods nor allowed addresses are given. So a client with `allowed-ips` alone may not speak DHCP (KRN-Q35).

Learned state is bounded: 512 transactions and 512 leases of each version of DHCP, 512 prefixes; what there is no room for is counted as
dhcpdropped. A request without an answer ends after 60 s, with its lease. All of it is forgotten when the data path is torn down.

| module | what |
|---|---|
| `protection` | the checks of one client, in order |
| `props` | what is configured, and what of it is refused |
| `ipnospoof`, `dhcpnospoof` | the two rules that read packets |
| `allowed`, `learned`, `leases`, `slaac` | the addresses |
| `ip`, `udp`, `arp`, `ndp`, `dhcpv4`, `dhcpv6` | one file a protocol: where things are in a frame |
| `verdict` | the reasons, by the names of their counters |
"""
