//! The section `mail`: which SMTP server takes our mails.

use kici_mail::{Config, Encryption, Sender};
use kici_model::Secret;

use super::{Values, told};

const SECTION: &str = "mail";

/// Reads it; `None` inside where no mail is sent, and outside where something is wrong.
#[expect(clippy::option_option, reason = "wrong, left out and given are three things")]
pub(super) fn read(values: &Values, errors: &mut Vec<String>) -> Option<Option<Config>> {
    let text = |name| values.optional(SECTION, name);
    let [port, username, password, from] = ["port", "username", "password", "from"].map(text);
    let encryption = values.parsed::<Encryption>(SECTION, "encryption", errors);
    let Some(host) = text("host") else {
        if port.or(username).or(password).or(from).is_some() {
            errors.push("mail.host: is missing, but the section says more".to_owned());
            return None;
        }
        return encryption.map(|_| None);
    };
    let host = told(name(host), "mail.host", errors);
    let port = match port {
        Some(_) => values.parsed::<std::num::NonZeroU16>(SECTION, "port", errors).map(Some),
        None => Some(None),
    };
    let from = from.ok_or_else(|| "is missing".to_owned());
    let from =
        from.and_then(|text| text.parse::<Sender>().map_err(|error| format!("`{text}`: {error}")));
    let from = told(from, "mail.from", errors);
    let login = match (username, password) {
        (Some(name), Some(password)) => Ok(Some((name, Secret::new(password)))),
        (None, None) => Ok(None),
        (Some(_), None) => Err("mail.password: is missing; `mail.username` needs it"),
        (None, Some(_)) => Err("mail.username: is missing; `mail.password` needs it"),
    };
    let login = login.map_err(|error| errors.push(error.to_owned())).ok();
    let (host, port, encryption) = (host?, port?.map(Into::into), encryption?);
    if encryption == Encryption::None && !is_this_machine(&host) {
        let text = "mail.encryption: `none` is for a server on this machine; links and passwords \
                    would go over the network for everybody to read. Use `starttls` or `tls`";
        errors.push(text.to_owned());
        return None;
    }
    Some(Some(Config { host, port, encryption, login: login?, from: from? }))
}

fn name(host: String) -> Result<String, String> {
    let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c));
    match is_name && !host.is_empty() && !host.contains("://") {
        true => Ok(host),
        false => Err(format!("`{host}`: a name like `smtp.example.org` is expected")),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
