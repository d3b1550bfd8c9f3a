//! Every `code` of the error body. Words are only ever added; what they mean never changes.

/// The code, its status, and when it is answered.
pub const ERROR_CODES: &[(&str, u16, &str)] = &[
    ("bad_request", 400, "A parameter could not be read."),
    ("built_in_role", 409, "The built-in role Owner can't be changed or deleted."),
    (
        "escalation",
        403,
        "Somebody would gain what the caller does not have; the message names the first gain.",
    ),
    ("incomplete_body", 400, "The connection broke before the whole body had arrived."),
    ("internal", 500, "Our fault. The request id finds it in the server's log."),
    (
        "insufficient_permission",
        403,
        "`required` says what would have been enough, `held` what is held.",
    ),
    ("invalid_cursor", 400, "The cursor was not given out by this list, or was changed."),
    ("invalid_fields", 422, "`fields` names every field that was refused, and why."),
    (
        "invalid_header",
        400,
        "A header that the provider of the webhook always sends is missing or wrong.",
    ),
    ("invalid_token", 401, "The token is mistyped, unknown, expired or revoked."),
    ("malformed_json", 400, "The body is not JSON; the message says where."),
    (
        "member_suspended",
        403,
        "The membership of the caller, or of the maker of the key, is suspended.",
    ),
    ("method_not_allowed", 405, "The header `Allow` says which methods work."),
    ("name_taken", 409, "Another one has this name already, in whatever case."),
    (
        "no_orchestrator",
        503,
        "No orchestrator took the delivery; send it again after `Retry-After` seconds.",
    ),
    ("not_found", 404, "It does not exist, or the caller may not know of it."),
    ("not_there", 422, "The change names a role, person or team that is not there."),
    ("org_disabled", 403, "The operator has closed the organization; `disabled_at` says when."),
    ("person_required", 403, "Only a person can do this, not a key."),
    ("rejected_misconfigured", 500, "The orchestrator can't take deliveries of this source."),
    ("rejected_signature", 401, "The orchestrator could not verify the signature."),
    (
        "rejected_unknown_source",
        404,
        "The orchestrator does not know the source, or has disabled it.",
    ),
    (
        "stale",
        412,
        "It was changed meanwhile; read it again and send its new `ETag` as `If-Match`.",
    ),
    ("timeout", 408, "The body did not arrive in time."),
    ("too_large", 413, "The body is larger than it may be."),
    ("unauthenticated", 401, "No token was sent."),
    (
        "unavailable",
        503,
        "Too much at once, or no database; try again after `Retry-After` seconds.",
    ),
    ("unknown_source", 404, "The organization, or its webhook source, does not exist."),
    ("unsupported_media_type", 415, "Only `application/json` is read here."),
    ("wrong_host", 421, "A server for one machine was addressed under another name."),
    ("wrong_kind_of_token", 401, "The token opens something else."),
];
