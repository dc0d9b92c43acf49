//! Which address a request comes from, where proxies stand in between.

use actix_web::{HttpRequest, http::header::HeaderMap};
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

const FORWARDED_FOR: &str = "x-forwarded-for";
const BITS: u32 = u128::BITS;
/// Where IPv4 lies in IPv6 (RFC 4291, 2.5.5.2).
const IPV4_OFFSET: u32 = 96;

/// One address, or a network in CIDR notation (RFC 4632): `::1`, `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    first: u128,
    mask: u128,
}

/// Neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no IP address and no network such as 10.0.0.0/8")]
pub struct NotANetwork(String);

impl Network {
    /// Whether the address lies in the network. An IPv4 address and its form in IPv6 are the same.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.first
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let prefix = match (address, prefix) {
            (_, None) => BITS,
            (IpAddr::V4(_), Some(prefix)) => prefix.checked_add(IPV4_OFFSET)?,
            (IpAddr::V6(_), Some(prefix)) => prefix,
        };
        let host_bits = BITS.checked_sub(prefix)?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        let first = bits(address) & mask;
        Some(Self { first, mask })
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| NotANetwork(text.to_owned()))
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The peer's address; if that is a trusted proxy's, the right-most address of `X-Forwarded-For`
/// that is not (what stands left of it, anybody may have written). `0.0.0.0` where there is no peer,
/// as in unit tests.
pub(crate) fn client_address(request: &HttpRequest, trusted: &[Network]) -> IpAddr {
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    resolve(peer, request.headers(), trusted)
}

fn resolve(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    // Several header lines are one list, in their order (RFC 9110, 5.3).
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).collect();
    // In bytes: what a client has written must not make that unreadable which the proxy added.
    let hops = lines
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops {
        if !is_trusted(client) {
            break;
        }
        match std::str::from_utf8(hop).ok().and_then(parse_hop) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// Some proxies add the port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            let name = HeaderName::from_static(FORWARDED_FOR);
            headers.append(name, HeaderValue::from_str(line).unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|n| n.parse().unwrap()).collect();
        resolve(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_say_where_it_comes_from() {
        assert_eq!(client("203.0.113.9", &["1.2.3.4"], &[]), "203.0.113.9");
        let trusted = ["10.0.0.0/8"];
        assert_eq!(client("203.0.113.9", &["1.2.3.4"], &trusted), "203.0.113.9");
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        let trusted = ["10.0.0.0/8", "::1"];
        assert_eq!(client("10.1.1.1", &["1.2.3.4"], &trusted), "1.2.3.4");
        let forged = ["6.6.6.6, 1.2.3.4, 10.9.9.9"];
        assert_eq!(client("::1", &forged, &trusted), "1.2.3.4");
        let lines = ["6.6.6.6, 1.2.3.4", "10.9.9.9"];
        assert_eq!(client("::ffff:10.0.0.1", &lines, &trusted), "1.2.3.4");
    }

    #[test]
    fn ports_are_dropped_and_nonsense_ends_the_walk() {
        let trusted = ["10.0.0.1"];
        assert_eq!(client("10.0.0.1", &["1.2.3.4:99"], &trusted), "1.2.3.4");
        assert_eq!(
            client("10.0.0.1", &["[2001:db8::1]:99"], &trusted),
            "2001:db8::1"
        );
        assert_eq!(client("10.0.0.1", &["unknown"], &trusted), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["6.6.6.6, "], &trusted), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["ä, 1.2.3.4"], &trusted), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &[], &trusted), "10.0.0.1");
    }

    #[test]
    fn a_network_holds_its_addresses_only() {
        let holds = |network: &str, address: &str| {
            let network: Network = network.parse().unwrap();
            network.contains(address.parse().unwrap())
        };
        assert!(holds("192.168.1.77/24", "192.168.1.1"));
        assert!(!holds("192.168.1.0/24", "192.168.2.1"));
        assert!(holds("0.0.0.0/0", "8.8.8.8"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("10.0.0.1", "::ffff:10.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused_by_name() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "::/129",
            "10.0.0/8",
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
