//! One mail, one connection: there are few of them, and a connection that was kept would most often
//! be found closed.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use kici_domain::ports::{Mail, Mailer};
use kici_model::{OsEntropy, entropy};
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::{Config, Encryption, Sender};

/// How long a mail may take, from the connection on.
const PATIENCE: Duration = Duration::from_secs(15);

/// Hands mails over to one server.
#[derive(Debug)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Sender,
}

/// Why a mail was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The address is none that SMTP has words for.
    #[error("the mail can't be written")]
    Unwritable(#[source] Box<dyn Error + Send + Sync>),
    /// The server can't be reached, is not who it should be, or does not take it.
    #[error("the mail server did not take the mail")]
    Refused(#[from] lettre::transport::smtp::Error),
    /// The server is too slow.
    #[error("the mail server did not take the mail within {} s", PATIENCE.as_secs())]
    Slow,
}

impl Smtp {
    /// Prepares it; nothing is asked of the server yet.
    ///
    /// # Errors
    /// The certificates that this machine trusts can't be read, or the host is no name.
    pub fn new(config: Config) -> Result<Self, MailError> {
        let tls = || TlsParameters::new(config.host.clone());
        let tls = match config.encryption {
            Encryption::Tls => Tls::Wrapper(tls()?),
            Encryption::StartTls => Tls::Required(tls()?),
            Encryption::None => Tls::None,
        };
        let port = config.port.unwrap_or_else(|| config.encryption.port());
        // Dangerous is its name for what says nothing of encryption yet.
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.host)
            .port(port)
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Some((name, password)) = config.login {
            transport = transport.credentials(Credentials::new(name, password.expose().clone()));
        }
        Ok(Self { transport: transport.build(), from: config.from })
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), MailError> {
        let message = write(&self.from, mail).map_err(MailError::Unwritable)?;
        match tokio::time::timeout(PATIENCE, self.transport.send(message)).await {
            Ok(sent) => Ok(sent.map(drop)?),
            Err(_) => Err(MailError::Slow),
        }
    }
}

#[async_trait]
impl Mailer for Smtp {
    async fn send(&self, mail: &Mail) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        Ok(self.hand_over(mail).await?)
    }
}

fn write(from: &Sender, mail: &Mail) -> Result<Message, Box<dyn Error + Send + Sync>> {
    let id = entropy::uuid(&OsEntropy::default())?;
    let message = Message::builder()
        .message_id(Some(format!("<{id}@{}>", from.0.email.domain())))
        .from(from.0.clone())
        .to(Mailbox::new(None, mail.to.to_string().parse()?))
        .subject(mail.subject.as_str())
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN);
    Ok(message.body(mail.text.clone())?)
}

/// Nobody wrote it by hand, so nobody's machine should answer (RFC 3834).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_the_subject_becomes_a_header() {
        let mail = Mail {
            to: "ada@example.org".parse().unwrap(),
            subject: "Hello\r\nBcc: eve@example.org".to_owned(),
            text: "one\n\nBcc: eve@example.org\n".to_owned(),
        };
        let message = write(&"KiCI <ci@example.org>".parse().unwrap(), &mail).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc:")), "{head}");
        assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        assert!(head.contains("@example.org>"), "{head}");
        assert_eq!(message.envelope().to().len(), 1);
    }
}
