//! Addresses of the section `server`: of the server itself, of proxies and of pages elsewhere.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};
use kici_api::Origin;
use url::Url;

/// The address at which browsers and providers reach the server, as browsers write it.
///
/// It has no path: cookies, the redirect of the identity provider, links and the API's own addresses
/// all begin at the root.
pub(super) fn public_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let Some(url) = url else {
        return Err(format!("`{text}`: an address like `https://ci.example.org` is expected"));
    };
    let origin = url.origin().ascii_serialization();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("has a user name or password; write `{origin}`"));
    }
    if url.path().chars().any(|c| c != '/') {
        return Err(format!(
            "`{text}` has a path, and the server works only at the root of a host: give it a name of its \
             own, such as `https://kici.example.org`, and let the proxy pass every path on unchanged"
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{text}` is more than a host; write `{origin}`"));
    }
    Ok(origin)
}

/// Addresses and networks; IPv4 ones that are written as IPv6 count as IPv4, as the clients' do.
pub(super) fn networks(items: &[String]) -> Result<Vec<IpNet>, String> {
    let (mut networks, mut wrong) = (Vec::new(), Vec::new());
    for item in items {
        match item.parse().or_else(|_| item.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => networks.push(canonical(network)),
            Err(_) => wrong.push(format!("`{item}`")),
        }
    }
    match wrong.is_empty() {
        true => Ok(networks),
        false => Err(format!(
            "{}: an address or a network like `10.0.0.0/8` is expected",
            wrong.join(", ")
        )),
    }
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(network) => {
            network.addr().to_ipv4_mapped().zip(network.prefix_len().checked_sub(96))
        }
        IpNet::V4(_) => None,
    };
    let mapped = mapped.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
    mapped.map_or(network, IpNet::V4)
}

/// Origins whose pages may call the API.
pub(super) fn origins(items: &[String]) -> Result<Vec<Origin>, String> {
    let parsed = items.iter().map(|item| item.parse::<Origin>().map_err(|error| error.to_string()));
    let (origins, wrong): (Vec<_>, Vec<_>) = parsed.partition(Result::is_ok);
    match wrong.is_empty() {
        true => Ok(origins.into_iter().flatten().collect()),
        false => Err(wrong.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; ")),
    }
}

/// Whether only one of two listeners could be opened.
pub(super) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let (first, second) = (one.ip().to_canonical(), other.ip().to_canonical());
    // The unspecified address of IPv6 takes the port of IPv4 as well.
    let covers =
        |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    one.port() != 0
        && one.port() == other.port()
        && (first == second || covers(first, second) || covers(second, first))
}
