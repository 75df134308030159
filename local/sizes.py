"""The VM sizes that the local Azure has, by family, and how much quota a new subscription gets.

Cores and GPUs are those of Microsoft Learn's pages of each series; memory and temporary disks were
written from memory and nothing decides by them. Retired sizes (NCv3) are gone, as at Azure. A
family's code is what a size's `family` and a usage's `name.value` carry,
its words are the portal's. Codes and words of NCADSA100v4, NCASv3_T4 and DSv2 were seen in public
code and tutorials; those of the other families follow the same pattern and are not verified.
"""

from dataclasses import dataclass

STARTING_CORES = 100
"""Of a family without GPU; Azure gives 24 to 300, by the kind of subscription, and no GPUs."""


@dataclass(frozen=True)
class Family:
    """VM sizes that share a quota."""

    code: str
    words: str
    starting_cores: int = STARTING_CORES
    is_exempt: bool = False
    """Deployments on it need no 20 % more quota than they use."""

    @property
    def quota(self) -> str:
        """Name its quota as the portal does."""
        return f"Standard {self.words} Family Cluster Dedicated vCPUs"


@dataclass(frozen=True)
class VmSize:
    """A size; memory and the temporary disk in GiB."""

    name: str
    family: Family
    vcpus: int
    memory: int
    disk: int
    gpus: int = 0


ESV3 = Family("standardESv3Family", "ESv3")
DSV3 = Family("standardDSv3Family", "DSv3")
DSV2 = Family("standardDSv2Family", "DSv2")
T4 = Family("standardNCASv3_T4Family", "NCASv3_T4", 0)
A100 = Family("standardNCADSA100v4Family", "NCADSA100v4", 0, is_exempt=True)
H100 = Family("standardNCadsH100v5Family", "NCadsH100v5", 0, is_exempt=True)
ND_H100 = Family("standardNDSH100v5Family", "NDSH100v5", 0, is_exempt=True)
FAMILIES = (ESV3, DSV3, DSV2, T4, A100, H100, ND_H100)

SIZES = (
    VmSize("Standard_E4s_v3", ESV3, 4, 32, 64),
    VmSize("Standard_E8s_v3", ESV3, 8, 64, 128),
    VmSize("Standard_E16s_v3", ESV3, 16, 128, 256),
    VmSize("Standard_D4s_v3", DSV3, 4, 16, 32),
    VmSize("Standard_D8s_v3", DSV3, 8, 32, 64),
    VmSize("Standard_DS3_v2", DSV2, 4, 14, 28),
    VmSize("Standard_DS4_v2", DSV2, 8, 28, 56),
    VmSize("Standard_NC4as_T4_v3", T4, 4, 28, 176, 1),
    VmSize("Standard_NC16as_T4_v3", T4, 16, 110, 352, 1),
    VmSize("Standard_NC24ads_A100_v4", A100, 24, 220, 64, 1),
    VmSize("Standard_NC48ads_A100_v4", A100, 48, 440, 128, 2),
    VmSize("Standard_NC96ads_A100_v4", A100, 96, 880, 256, 4),
    VmSize("Standard_NC40ads_H100_v5", H100, 40, 320, 128, 1),
    VmSize("Standard_NC80adis_H100_v5", H100, 80, 640, 256, 2),
    VmSize("Standard_ND96isr_H100_v5", ND_H100, 96, 1900, 1000, 8),
)
_BY_NAME = {size.name.lower(): size for size in SIZES}


def size_of(name: str) -> VmSize | None:
    """Look a size up, in any case; None where there is none."""
    return _BY_NAME.get(name.lower())
