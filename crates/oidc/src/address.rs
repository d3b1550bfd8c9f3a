//! Addresses that may be asked: `https`, or this machine itself.

use std::net::IpAddr;

use url::{Host, Url};

/// Why an address is not asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no address.
    #[error("an address like `https://id.example.org/realms/ci` is expected")]
    Form,
    /// Whoever sits in between could read and change everything.
    #[error("must begin with `https://`; `http://` works on this machine alone")]
    Plain,
    /// It holds what no such address has.
    #[error("must have no user, no `?` and no `#`")]
    Extra,
}

/// Reads the address of an issuer, or of one of its endpoints.
///
/// # Errors
/// It is none that may be asked.
pub fn parse_address(text: &str) -> Result<Url, AddressError> {
    let url = endpoint(text)?;
    if url.query().is_some() {
        return Err(AddressError::Extra);
    }
    Ok(url)
}

/// The same for an endpoint, which may have a query.
pub(crate) fn endpoint(text: &str) -> Result<Url, AddressError> {
    let url = Url::parse(text).map_err(|_| AddressError::Form)?;
    if url.host().is_none() || !["http", "https"].contains(&url.scheme()) {
        return Err(AddressError::Form);
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(AddressError::Extra);
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(AddressError::Plain);
    }
    Ok(url)
}

/// Whether an address is of this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Result<(), AddressError>) {
        assert_eq!(parse_address(text).map(drop), want, "{text}");
    }

    #[test]
    fn only_https_and_this_machine_are_asked() {
        check("https://id.example.org/realms/ci", Ok(()));
        check("http://127.0.0.1:8080/dev/oidc", Ok(()));
        check("http://[::1]:9000", Ok(()));
        check("http://localhost:9000", Ok(()));
        check("http://id.example.org", Err(AddressError::Plain));
        check("http://localhost.example.org", Err(AddressError::Plain));
        check("http://127.0.0.1.example.org", Err(AddressError::Plain));
        check("ftp://id.example.org", Err(AddressError::Form));
        check("id.example.org", Err(AddressError::Form));
        check("https://ada@id.example.org", Err(AddressError::Extra));
        check("https://id.example.org?a=b", Err(AddressError::Extra));
        check("https://id.example.org#a", Err(AddressError::Extra));
    }
}
