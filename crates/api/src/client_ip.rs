//! Where a request came from. `X-Forwarded-For` is anybody's claim, unless a trusted proxy made it.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use poem::{Addr, Request};

/// The address of the client: that of the connection or, behind trusted proxies, the last hop that
/// is not one of them.
pub(crate) fn of(request: &Request, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = match &request.remote_addr().0 {
        Addr::SocketAddr(address) => address.ip().to_canonical(),
        Addr::Unix(_) | Addr::Custom(..) => return None,
    };
    let values = request.headers().get_all("x-forwarded-for");
    let hops: Vec<_> = values.iter().filter_map(|value| value.to_str().ok()).collect();
    Some(last_untrusted(peer, &hops.join(","), trusted))
}

/// The network that an address belongs to, for shares: /24 of IPv4, /64 of IPv6.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4((u32::from(address) >> 8 << 8).into()),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

fn last_untrusted(peer: IpAddr, forwarded: &str, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    for hop in forwarded.rsplit(',') {
        if !is_trusted(&client) {
            break;
        }
        let Some(address) = parse(hop.trim()) else { break };
        client = address.to_canonical();
    }
    client
}

/// An address, with a port and with brackets too, as some proxies write it.
fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, forwarded: &str, want: &str) {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let got = last_untrusted(peer.parse().unwrap(), forwarded, &trusted);
        assert_eq!(got, want.parse::<IpAddr>().unwrap(), "{peer} {forwarded}");
    }

    #[test]
    fn networks_are_24_bits_of_ipv4_and_64_of_ipv6() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("192.0.2.201"), "192.0.2.0");
        assert_eq!(network("::ffff:192.0.2.201"), "192.0.2.0");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check("192.0.2.1", "", "192.0.2.1");
        check("192.0.2.1", "198.51.100.9", "192.0.2.1");
        check("10.0.0.1", "198.51.100.9", "198.51.100.9");
        check("10.0.0.1", "203.0.113.7, 198.51.100.9, 10.0.0.2", "198.51.100.9");
        check("10.0.0.1", "nonsense", "10.0.0.1");
        check("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3");
        check("10.0.0.1", "203.0.113.7, ::ffff:10.0.0.2", "203.0.113.7");
        check("10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7");
        check("10.0.0.1", "203.0.113.7:4711", "203.0.113.7");
        check("10.0.0.1", "[2001:db8::1]:4711, [::ffff:10.0.0.2]", "2001:db8::1");
    }
}
