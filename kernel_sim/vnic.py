"""VNICs: clients of a lower MAC whose consumer sits behind a port, and the ioctls that make and delete them (KRN 6.4).

    port (TAP) ──transmit──► MacClient ──► lower MAC
         ◄──────deliver──────

A VNIC has a MAC of its own, so that it is a link; its start, stop and transmit do nothing, for a consumer that opens it is
given the client below (KRN 6.1). An etherstub is made by the same ioctl (flag ANCHOR) and has neither client nor port.

Resource properties do not come with the creation, as in the original, but by a SETMACPROP right after it (DLM 5.1). No frame passes
unprotected in between: the port's device is made down, so that its consumer can neither send nor be handed anything before somebody
brings it up, which nobody does to a device whose creation has not been reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from kernel_sim.ddi import LinkId, Port, PortFactory, PortSpec
from kernel_sim.dls import DlsTable, LinkName
from kernel_sim.mac.client import DiagnosedError, MacClient
from kernel_sim.mac.mac import PVID_DEFAULT, Mac, MacLayer
from kernel_sim.mac.provider import MacRegistration
from kernel_sim.mac.secondary import SecondaryAddresses
from kernel_sim.mac.stat import ClientDrop
from kernel_sim.sys.codec import VnicCreate, VnicInfo, VnicModify
from kernel_sim.sys.dld import DatalinkClass, LinkState
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ETHERADDRL, VLAN_TAG_LEN
from kernel_sim.sys.message import Chain
from kernel_sim.sys.vnic import MAXMACADDRLEN, VnicCreateFlag, VnicDiag, VnicMacAddrType

_GIVEN: Final = frozenset((VnicMacAddrType.FIXED, VnicMacAddrType.VRID))
_CHOSEN: Final = frozenset((VnicMacAddrType.RANDOM, VnicMacAddrType.AUTO))
"""Given, or made here when no address comes along. There are no factory addresses, so AUTO ends as RANDOM."""
_VIRTUAL: Final = frozenset((DatalinkClass.VNIC, DatalinkClass.VLAN))


class Vnic:
    """One VNIC: the provider of its own MAC, and what ties its client to its port."""

    def __init__(self, created: VnicCreate, client: MacClient, mtu: int) -> None:
        self.created = created
        self.client = client
        self.secondary = SecondaryAddresses(client)
        self.mac: Mac
        self.port: Port
        client.mtu_reserved = mtu
        client.set_receive(self._deliver, lambda: self.port)

    def start(self) -> None:
        """The client below is what runs."""

    def stop(self) -> None:
        """See `start`."""

    def tx(self, chain: Chain) -> None:
        """What is sent on the VNIC's MAC is sent by its client."""
        self.client.transmit(chain)

    def set_mtu(self, mtu: int) -> None:
        """Change the reservation below and the port's MTU. Errors: those of the port, and nothing has changed."""
        self.port.set_mtu(mtu)
        self.client.mtu_reserved = mtu

    def follow_link(self) -> None:
        """The link below may have changed its state: publish the client's (KRN 6.12)."""
        state = self.client.link_state
        if state is not self.mac.link_state:
            self.mac.link_update(state)
            self.port.set_link(state is not LinkState.DOWN)

    def _deliver(self, chain: Chain) -> None:
        if self.client.mac.watch.observer is not None:  # to tell which frames, they are handed over one by one
            for message in chain:
                if self.port.deliver([message]):
                    self.client.drop(ClientDrop.RX_UNDELIVERED, [message])
            return
        refused = self.port.deliver(chain)
        if refused:
            self.client.drops[ClientDrop.RX_UNDELIVERED] += refused


@dataclass(slots=True, frozen=True)
class _Address:
    """The address a VNIC is to have, and how it came by it."""

    kind: VnicMacAddrType
    mac: bytes


class VnicControl:
    """All VNICs and etherstubs, by link id."""

    def __init__(
        self,
        maclayer: MacLayer,
        links: DlsTable,
        ports: PortFactory,
        etherstub: Callable[[LinkId], MacRegistration],
    ) -> None:
        """`etherstub` describes the MAC of a new etherstub (`kernel_sim.etherstub.registration`)."""
        self._maclayer = maclayer
        self._links = links
        self._ports = ports
        self._etherstub = etherstub
        self._vnics: dict[int, Vnic] = {}
        self._anchors: dict[int, tuple[VnicCreate, Mac]] = {}
        links.subscribe(self._renamed)

    # ------------------------------------------------------------------ ioctls

    def create(self, wanted: VnicCreate) -> VnicCreate:
        """VNIC_IOC_CREATE: make a VNIC, or an etherstub; returns the argument with the chosen address and its type.

        Errors, in the order of KRN 6.4, with the argument and its diagnosis in `KernelError.argument`; a failure leaves nothing behind:
        EINVAL, ENOTSUP address type and lengths; EEXIST the id; EINVAL no lower link; that of opening it (ENOENT; ENOTSUP
        physical); EINVAL it is a VNIC; EINVAL prefix; EBUSY port VLAN id; ENXIO primary on an etherstub; ENOTSUP factory; EINVAL,
        EEXIST address; the provider's start; EALREADY late duplicate; ENOTSUP margin; those of naming layer and port.
        """
        try:
            return self._create(wanted)
        except KernelError as error:
            diag = error.diag if isinstance(error, DiagnosedError) else VnicDiag.NONE
            error.argument = replace(wanted, mac_addr=wanted.mac_addr[:MAXMACADDRLEN], diag=diag).pack()
            raise

    def delete(self, linkid: int) -> None:
        """VNIC_IOC_DELETE. Errors: ENOENT; EBUSY somebody has it open, or VNICs are on it (KRN-I9)."""
        if linkid in self._anchors:
            self._delete_anchor(linkid)
            return
        vnic = self._find(linkid)
        if vnic.client.opens > 1:
            raise KernelError(Errno.EBUSY, f"{self._links.name(linkid)} is open")
        self._links.remove(linkid)
        del self._vnics[linkid]
        vnic.client.mac.unsubscribe(vnic.follow_link)
        vnic.mac.unregister()
        vnic.secondary.close()
        vnic.client.close()
        vnic.port.close()

    def info(self, linkid: int) -> VnicInfo:
        """VNIC_IOC_INFO. Errors: ENOENT."""
        if linkid in self._anchors:
            return _info(self._anchors[linkid][0])
        return _info(self._find(linkid).created)

    def modify(self, wanted: VnicModify) -> VnicModify:
        """VNIC_IOC_MODIFY: does nothing, as in the original (KRN 6.4). Errors: ENOENT."""
        if wanted.vnic_id not in self._anchors:
            self._find(wanted.vnic_id)
        return wanted

    # ------------------------------------------------------------------ properties

    def set_address(self, linkid: int, address: bytes) -> None:
        """Change a VNIC's MAC address. Errors: ENOENT; those of `MacClient.set_address`."""
        vnic = self._find(linkid)
        vnic.client.set_address(address)
        vnic.created = replace(vnic.created, mac_addr=address, mac_len=len(address))
        vnic.mac.set_address(address)
        vnic.port.set_mac(address)

    def vid(self, linkid: int) -> int:
        """VLAN id of a VNIC, 0 for anything else."""
        vnic = self._vnics.get(linkid)
        return vnic.client.vid if vnic is not None else 0

    def zone(self, linkid: int) -> str:
        """The zone a VNIC's port is in, "" for the host. Errors: ENOENT."""
        return self._find(linkid).port.zone

    def set_zone(self, linkid: int, zone: str) -> None:
        """Move a VNIC's port. Errors: ENOENT no such VNIC or zone, EEXIST the name is taken there."""
        self._find(linkid).port.set_zone(zone)

    def promisc_filtered(self, linkid: int) -> bool:
        """Whether sniffers of a VNIC see only what is the VNIC's (KRN 6.9). Errors: ENOENT not a VNIC."""
        return self._find(linkid).client.promisc_filtered

    def set_promisc_filtered(self, linkid: int, *, on: bool) -> None:
        """Change that, for sniffers still to come. Errors: ENOENT not a VNIC."""
        self._find(linkid).client.promisc_filtered = on

    def secondary_addresses(self, linkid: int) -> tuple[bytes, ...]:
        """The addresses a VNIC has beside its own. Errors: ENOENT not a VNIC."""
        return self._find(linkid).secondary.addresses

    def set_secondary_addresses(self, linkid: int, addresses: Sequence[bytes]) -> None:
        """Change them. Errors: ENOENT not a VNIC; those of `SecondaryAddresses.set`."""
        self._find(linkid).secondary.set(addresses)

    def close(self) -> None:
        """End all of it: every VNIC's port is closed, then every etherstub is gone."""
        for linkid in tuple(self._vnics):
            vnic = self._vnics[linkid]
            vnic.client.opens = 1
            self.delete(linkid)
        for linkid in tuple(self._anchors):
            self.delete(linkid)

    # ------------------------------------------------------------------ inside

    def _find(self, linkid: int) -> Vnic:
        vnic = self._vnics.get(linkid)
        if vnic is None:
            raise KernelError(Errno.ENOENT, f"link {linkid} is not a VNIC")
        return vnic

    def _create(self, wanted: VnicCreate) -> VnicCreate:
        kind = _checked_kind(wanted)
        if wanted.vnic_id in self._vnics or wanted.vnic_id in self._anchors:
            raise KernelError(Errno.EEXIST, f"link {wanted.vnic_id} is a VNIC already")
        if wanted.flags & VnicCreateFlag.ANCHOR:
            return self._create_anchor(wanted)
        if not wanted.link_id:
            raise KernelError(Errno.EINVAL, "a VNIC needs a link to be on")
        lower = self._links.mac(wanted.link_id)
        if lower.link_class in _VIRTUAL:
            raise KernelError(Errno.EINVAL, f"{self._links.name(wanted.link_id)} is a VNIC itself")
        address = self._choose_address(kind, wanted, lower)
        if wanted.vid == PVID_DEFAULT:  # KRN-Q33
            raise KernelError(Errno.EBUSY, f"VLAN id {wanted.vid} is the port VLAN id of the link below")
        if kind is VnicMacAddrType.PRIMARY and lower.registration.anchor:
            raise KernelError(Errno.ENXIO, "an etherstub has no address of its own to use")
        if kind is VnicMacAddrType.FACTORY:
            raise DiagnosedError(Errno.ENOTSUP, VnicDiag.MACFACTORYNOTSUP, "the link below has no factory addresses")
        created = replace(
            wanted, mac_addr_type=address.kind, mac_addr=address.mac, mac_len=len(address.mac), diag=VnicDiag.NONE
        )
        with ExitStack() as undo:
            self._build(created, lower, undo)
            undo.pop_all()
        return created

    def _build(self, created: VnicCreate, lower: Mac, undo: ExitStack) -> None:
        """Everything that can fail half-way; `undo` knows how to take it back."""
        linkid = LinkId(created.vnic_id)
        client = lower.open_client(f"link {linkid}")
        undo.callback(client.close)
        client.all_multicast = True  # what the consumer joins is not visible on a TAP
        client.promisc_filtered = True
        client.add_unicast(
            created.mac_addr,
            created.vid,
            check_dup=not created.flags & VnicCreateFlag.NODUPCHECK,
            primary=created.mac_addr_type == VnicMacAddrType.PRIMARY,
        )
        if created.vid and lower.margin < VLAN_TAG_LEN and not created.flags & VnicCreateFlag.FORCE:
            detail = f"a VLAN tag needs a margin of {VLAN_TAG_LEN} bytes, the link below has {lower.margin}"
            raise DiagnosedError(Errno.ENOTSUP, VnicDiag.MACMARGIN_INVALID, detail)
        vnic = Vnic(created, client, lower.mtu)
        mac = vnic.mac = self._maclayer.register(_registration(linkid, vnic, lower), lower=client)
        undo.callback(mac.unregister)
        client.name = self._links.name(linkid)
        self._links.add(linkid, mac)
        undo.callback(self._links.remove, linkid)
        spec = PortSpec(linkid, client.name, created.mac_addr, mac.mtu, up=mac.link_state is not LinkState.DOWN)
        port = vnic.port = self._ports.open(spec, client.transmit, client.transmit_path)
        client.set_flow_control(port.allow)
        mac.zone = lambda: port.zone
        lower.subscribe(vnic.follow_link)
        self._vnics[linkid] = vnic

    def _choose_address(self, kind: VnicMacAddrType, wanted: VnicCreate, lower: Mac) -> _Address:
        if kind is VnicMacAddrType.PRIMARY:
            return _Address(kind, lower.address)
        if kind in _CHOSEN:
            if not wanted.mac_len:
                made = self._maclayer.random_address(wanted.mac_addr[: wanted.mac_prefix_len])
                return _Address(VnicMacAddrType.RANDOM, made)
            kind = VnicMacAddrType.RANDOM
        return _Address(kind, wanted.mac_addr[: wanted.mac_len])

    def _create_anchor(self, wanted: VnicCreate) -> VnicCreate:
        linkid = LinkId(wanted.vnic_id)
        mac = self._maclayer.register(self._etherstub(linkid))
        try:
            self._links.add(linkid, mac)
        except KernelError:
            mac.unregister()
            raise
        created = replace(wanted, link_id=0, mac_addr=bytes(ETHERADDRL), mac_len=ETHERADDRL, diag=VnicDiag.NONE)
        self._anchors[linkid] = created, mac
        return created

    def _delete_anchor(self, linkid: int) -> None:
        mac = self._anchors[linkid][1]
        if mac.clients:
            raise KernelError(Errno.EBUSY, f"{self._links.name(linkid)} is in use: delete the VNICs on it first")
        self._links.remove(linkid)
        mac.unregister()
        del self._anchors[linkid]

    def _renamed(self, link: LinkName) -> None:
        vnic = self._vnics.get(link.linkid)
        if vnic is not None:
            vnic.client.name = link.name
            vnic.secondary.rename()
            vnic.port.set_name(link.name)


def _checked_kind(wanted: VnicCreate) -> VnicMacAddrType:
    """The address type. Errors: EINVAL lengths, ENOTSUP a type that is none."""
    kinds = {int(kind): kind for kind in VnicMacAddrType if kind is not VnicMacAddrType.UNKNOWN}
    kind = kinds.get(wanted.mac_addr_type)
    if kind is None:
        raise KernelError(Errno.ENOTSUP, f"address type {wanted.mac_addr_type}")
    longest = f"an address has at most {MAXMACADDRLEN} bytes"
    if kind in _GIVEN and not 0 < wanted.mac_len <= MAXMACADDRLEN:
        raise DiagnosedError(Errno.EINVAL, VnicDiag.MACADDRLEN_INVALID, f"{longest} and at least one")
    if kind in _CHOSEN and wanted.mac_len > MAXMACADDRLEN:
        raise DiagnosedError(Errno.EINVAL, VnicDiag.MACADDRLEN_INVALID, longest)
    if kind in _CHOSEN and wanted.mac_prefix_len > MAXMACADDRLEN:
        raise DiagnosedError(Errno.EINVAL, VnicDiag.MACPREFIXLEN_INVALID, longest)
    return kind


def _registration(linkid: LinkId, vnic: Vnic, lower: Mac) -> MacRegistration:
    assert vnic.client.address is not None
    low, high = lower.mtu_range
    return MacRegistration(
        linkid=linkid,
        provider=vnic,
        link_class=DatalinkClass.VNIC,
        max_sdu=lower.mtu,
        mtu_min=low,
        mtu_max=high,
        mtu_default=lower.mtu_default,
        min_sdu=lower.registration.min_sdu,
        margin=max(0, lower.margin - VLAN_TAG_LEN) if vnic.client.vid else lower.margin,
        address=vnic.client.address,
        link_state=vnic.client.link_state,
    )


def _info(created: VnicCreate) -> VnicInfo:
    return VnicInfo(
        created.vnic_id,
        created.link_id,
        created.mac_addr_type,
        created.mac_len,
        created.mac_addr,
        created.mac_slot,
        created.mac_prefix_len,
        created.vid,
        created.vrid,
        created.af,
        force=bool(created.flags & VnicCreateFlag.FORCE),
    )
