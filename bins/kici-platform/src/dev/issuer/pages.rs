//! The pages: plain HTML, without a script.

use poem::Response;
use poem::http::{StatusCode, header};

use super::Person;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;\
padding:0 1rem}button{display:block;width:100%;margin:.5rem 0;padding:.75rem;font:inherit;\
text-align:left;cursor:pointer}input{font:inherit;padding:.5rem;width:100%;box-sizing:border-box}";

/// A page to pick somebody on. `fields` is HTML that stands before them in the form, which is posted
/// to `action`.
pub(super) fn pick(action: &str, fields: &str, people: &[Person]) -> Response {
    let mut body = format!(
        "<h1>Who are you?</h1><p>This is the demo's identity provider. It believes everybody.</p>\
         <form method=\"post\" action=\"{}\">{fields}",
        escape(action)
    );
    for person in people {
        body += &format!(
            "<button name=\"person\" value=\"{}\">{}<br><small>{}</small></button>",
            escape(&person.subject),
            escape(&person.name),
            escape(&person.email),
        );
    }
    body += "</form>";
    page(StatusCode::OK, &body)
}

/// A page that says one thing.
pub(super) fn say(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, &format!("<h1>{}</h1><p>{}</p>", escape(title), escape(text)))
}

fn page(status: StatusCode, body: &str) -> Response {
    Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::REFERRER_POLICY, "same-origin")
        .header(header::X_FRAME_OPTIONS, "DENY")
        .header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
        )
        .body(format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sign in</title>\
             <style>{STYLE}</style>{body}</html>"
        ))
}

pub(super) fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_that_somebody_sends_becomes_markup() {
        let text = "<script a='b' c=\"d\">&";
        assert_eq!(escape(text), "&lt;script a=&#39;b&#39; c=&quot;d&quot;&gt;&amp;");
    }
}
