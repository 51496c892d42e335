//! The addresses that are never connected to, whatever name leads there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// The IPv6 address of the metadata service of Amazon's machines, which hands out credentials.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Addresses that may be connected to.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Nothing is refused.
    all: bool,
    loopback: bool,
    denied: Vec<IpNet>,
}

/// A range of addresses, or one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let one = || text.parse().map(|address: IpAddr| IpNet::from(address));
        text.parse().or_else(|_| one()).map(Self).map_err(|_| "is no range of addresses: write it like 10.0.0.0/8")
    }
}

impl Addresses {
    /// All: a one-shot command connects to whatever the person who calls it could connect to.
    pub const fn all() -> Self {
        Self { all: true, loopback: true, denied: Vec::new() }
    }

    /// What an operator connects to for others: not itself, its node's link or the metadata services there,
    /// and not what it was told to leave alone.
    pub fn for_others(loopback: bool, denied: Vec<Network>) -> Self {
        Self { all: false, loopback, denied: denied.into_iter().map(|Network(range)| range).collect() }
    }

    /// Whether what has no address, as a socket in the file system, may be connected to.
    pub const fn allow_local(&self) -> bool {
        self.all
    }

    /// Whether this address may be connected to.
    pub fn allow(&self, address: IpAddr) -> bool {
        self.all
            || match address {
                IpAddr::V4(address) => self.allow_v4(address),
                IpAddr::V6(address) => self.allow_v6(address),
            }
    }

    fn allow_v4(&self, address: Ipv4Addr) -> bool {
        let special = (address.is_loopback() && !self.loopback) || address.octets()[0] == 0 || address.is_link_local();
        !special && !self.denies(address.into())
    }

    fn allow_v6(&self, address: Ipv6Addr) -> bool {
        if address == Ipv6Addr::LOCALHOST {
            return self.loopback && !self.denies(address.into());
        }
        let special = address.is_unspecified() || address.is_unicast_link_local() || address == METADATA;
        !special && !self.denies(address.into()) && inner(address).is_none_or(|inner| self.allow_v4(inner))
    }

    fn denies(&self, address: IpAddr) -> bool {
        self.denied.iter().any(|range| range.contains(&address))
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible (RFC 4291), or translated (RFC 6052).
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(Ipv4Addr::new(a, b, c, d)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(addresses: &Addresses, text: &str) -> bool {
        addresses.allow(text.parse().unwrap())
    }

    #[test]
    fn the_operators_own_surroundings_are_refused_in_every_form() {
        let addresses = Addresses::for_others(false, Vec::new());
        for denied in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.0.3",
            "169.254.169.254",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
        ] {
            assert!(!allow(&addresses, denied), "{denied}");
            assert!(allow(&Addresses::all(), denied), "{denied}");
        }
        for allowed in ["10.0.0.1", "192.168.1.1", "203.0.113.7", "fd00:ec2::253", "fec0::1", "2001:db8::1"] {
            assert!(allow(&addresses, allowed), "{allowed}");
        }
    }

    #[test]
    fn loopback_can_be_allowed_alone() {
        let addresses = Addresses::for_others(true, Vec::new());
        for allowed in ["127.0.0.1", "127.0.0.53", "::1", "::ffff:127.0.0.1"] {
            assert!(allow(&addresses, allowed), "{allowed}");
        }
        for denied in ["0.0.0.0", "::", "169.254.169.254", "fe80::1"] {
            assert!(!allow(&addresses, denied), "{denied}");
        }
    }

    #[test]
    fn further_ranges_can_be_denied() {
        let ranges = ["10.0.0.0/8", " 2001:db8::/32", "192.0.2.7", "127.0.0.9"].map(|text| text.parse().unwrap());
        let addresses = Addresses::for_others(true, ranges.to_vec());
        for denied in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::5", "192.0.2.7", "127.0.0.9"] {
            assert!(!allow(&addresses, denied), "{denied}");
        }
        for allowed in ["11.0.0.1", "192.0.2.8", "127.0.0.1"] {
            assert!(allow(&addresses, allowed), "{allowed}");
        }
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("example.com".parse::<Network>().is_err());
    }
}
