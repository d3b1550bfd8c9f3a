//! Mail, handed over to an SMTP server: the mail server of the operator, or that of a provider.

mod config;
mod smtp;

pub use config::{Config, Encryption, Sender};
pub use smtp::{MailError, Smtp};
