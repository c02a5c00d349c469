//! Where a request comes from: the connection's address, or, from a proxy that is trusted, the one that it names. What anybody else claims counts for nothing.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Whoever has this address: one in version 4; in version 6 a /64, since whoever has one has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressBlock(IpAddr);

impl AddressBlock {
    /// The block that an address lies in.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network: `10.0.0.0/8`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.bits),
            (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.bits),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "has something that is no network, such as 10.0.0.0/8 or ::1";
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| WRONG)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| WRONG))?;
        if bits > most { Err(WRONG) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl Default for TrustedProxies {
    /// This machine.
    fn default() -> Self {
        let v4 = Network { address: Ipv4Addr::new(127, 0, 0, 0).into(), bits: 8 };
        Self(vec![v4, Network { address: Ipv6Addr::LOCALHOST.into(), bits: 128 }])
    }
}

impl TrustedProxies {
    /// Whose request it is. A proxy that is trusted puts the address that it saw last: what stands before it was said by somebody else.
    pub fn client<'a>(&self, peer: IpAddr, forwarded_for: impl DoubleEndedIterator<Item = &'a str>) -> AddressBlock {
        let peer = peer.to_canonical();
        let named = forwarded_for.flat_map(|value| value.split(',')).next_back().and_then(|last| last.trim().parse().ok());
        let trusted = self.0.iter().any(|network| network.holds(peer));
        AddressBlock::of(named.filter(|_| trusted).unwrap_or(peer))
    }
}

/// Networks, separated by commas; `none` trusts nobody.
impl FromStr for TrustedProxies {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "none" {
            return Ok(Self(Vec::new()));
        }
        text.split(',').map(|network| network.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.0.iter().map(Network::to_string).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, forwarded: &[&str]) -> String {
        trusted.parse::<TrustedProxies>().unwrap().client(peer.parse().unwrap(), forwarded.iter().copied()).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_whose_request_it_is() {
        assert_eq!(client("127.0.0.0/8,::1", "127.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client("127.0.0.0/8,::1", "127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client("127.0.0.0/8", "::ffff:127.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client("127.0.0.0/8", "203.0.113.9", &["192.0.2.7"]), "203.0.113.9", "a claim of anybody else");
        assert_eq!(client("none", "127.0.0.1", &["192.0.2.7"]), "127.0.0.1");
    }

    #[test]
    fn of_several_addresses_the_proxy_s_own_word_counts_and_nonsense_never() {
        assert_eq!(client("127.0.0.1", "127.0.0.1", &["198.51.100.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(client("127.0.0.1", "127.0.0.1", &["198.51.100.1", "192.0.2.7"]), "192.0.2.7");
        for nonsense in ["", "unknown", "192.0.2.7:80", "192.0.2.7,", "192.0.2.300", "☃"] {
            assert_eq!(client("127.0.0.1", "127.0.0.1", &[nonsense]), "127.0.0.1", "{nonsense}");
        }
    }

    #[test]
    fn whoever_has_one_address_of_version_6_has_its_whole_network() {
        assert_eq!(client("::1", "::1", &["2001:db8:1:2:3:4:5:6"]), "2001:db8:1:2::");
    }

    #[test]
    fn networks_are_read_as_they_are_written() {
        let default = TrustedProxies::default();
        assert_eq!(default.to_string().parse(), Ok(default));
        assert_eq!(client("10.0.0.0/8, 172.16.0.0/12", "172.31.255.255", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client("10.0.0.0/8, 172.16.0.0/12", "172.32.0.1", &["192.0.2.7"]), "172.32.0.1");
        assert_eq!(client("0.0.0.0/0", "8.8.8.8", &["192.0.2.7"]), "192.0.2.7");
        for bad in ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/8,", "10.0.0.0/-1"] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
    }
}
