//! How an SMTP server is reached, and in whose name.

use std::fmt;
use std::str::FromStr;

use kici_model::Secret;
use lettre::message::Mailbox;

/// An SMTP server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name, which its certificate has as well; or its address.
    pub host: String,
    /// Its port; `None` is the usual one of the encryption.
    pub port: Option<u16>,
    /// How the connection is kept private.
    pub encryption: Encryption,
    /// A name and a password, where it asks for them.
    pub login: Option<(String, Secret<String>)>,
    /// Whom the mails are from.
    pub from: Sender,
}

/// How a connection is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte on: port 465.
    Tls,
    /// After a few words in clear, and never without: port 587.
    StartTls,
    /// Not at all: port 25. For a server on this machine.
    None,
}

impl Encryption {
    /// The usual port.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

impl FromStr for Encryption {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tls" => Ok(Self::Tls),
            "starttls" => Ok(Self::StartTls),
            "none" => Ok(Self::None),
            _ => Err("`tls`, `starttls` and `none` work"),
        }
    }
}

/// Whom mails are from: `ci@example.org`, or `KiCI <ci@example.org>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(pub(crate) Mailbox);

impl FromStr for Sender {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mailbox = text.parse().map(Self);
        mailbox.map_err(|_| "an address like `KiCI <ci@example.org>` is expected")
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
