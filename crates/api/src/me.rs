//! The doors whose way names no organization, as extractors: those of what belongs to a person, and
//! that of a credential's own organization.

use std::ops::Deref;

use kici_domain::access;
use kici_domain::notes::Entered;
use kici_model::audit::Actor;
use kici_rbac::{Need, Permission};
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::credentials::{self, Knock};
use crate::problem::ApiError;
use crate::{denials, idempotency};

/// One door: what lies behind it, how the document calls who may come in, who they are, and how they
/// come in.
macro_rules! door {
    (
        $(#[$docs:meta])*
        $name:ident$(<$p:ident: $bound:ident>)? -> $inner:ty,
        $schemes:expr,
        $actor:expr,
        $enter:expr
    ) => {
        $(#[$docs])*
        pub(crate) struct $name$(<$p: $bound>)?($inner);

        impl$(<$p: $bound>)? Deref for $name$(<$p>)? {
            type Target = $inner;
            fn deref(&self) -> &$inner {
                &self.0
            }
        }

        impl<'a$(, $p: $bound)?> ApiExtractor<'a> for $name$(<$p>)? {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
            type ParamType = ();
            type ParamRawType = ();

            fn register(registry: &mut Registry) {
                credentials::register(registry);
            }

            fn security_schemes() -> Vec<&'static str> {
                $schemes
            }

            async fn from_request(
                request: &'a Request,
                _: &mut RequestBody,
                _: ExtractParamOptions<()>,
            ) -> Result<Self> {
                let knock = Knock::of(request)?;
                let entered = $enter(request, &knock).await;
                knock.check_rates()?;
                let entered: $inner = entered.map_err(ApiError::from)?;
                let actor: fn(&$inner) -> Option<&Actor> = $actor;
                if let Some(actor) = actor(&entered) {
                    idempotency::claim(request, actor).await?;
                }
                Ok(Self(entered))
            }
        }
    };
}

door!(
    /// A signed-in person, outside of any organization.
    Me -> kici_domain::Me,
    credentials::schemes(&Need::Person),
    |me| Some(me.actor()),
    async |request, knock: &Knock<'_>| {
        let me = access::enter_person(knock.app, knock.caller()).await?;
        denials::entered(request, || Entered::person(me.actor(), knock.caller()));
        Ok::<_, access::EnterError>(me)
    }
);

door!(
    /// A person who has signed in themselves, outside of any organization.
    Interactive -> access::Interactive,
    credentials::schemes_in_words("interactive"),
    |me| Some(me.actor()),
    async |request, knock: &Knock<'_>| {
        let me = access::enter_interactive(knock.app, knock.caller()).await?;
        denials::entered(request, || Entered::person(me.actor(), knock.caller()));
        Ok::<_, access::EnterError>(me)
    }
);

door!(
    /// Whoever comes with a token of the identity provider, known here or not. They may be nobody yet,
    /// so no `Idempotency-Key` is theirs.
    Arrival -> access::Arrival,
    credentials::schemes_in_words("oidc"),
    |_| None,
    async |_, knock: &Knock<'_>| access::arrive(knock.app, knock.caller()).await
);

door!(
    /// Somebody who holds `P` in the organization of their credential.
    OwnOrg<P: Permission> -> kici_domain::Org<P>,
    credentials::schemes(&P::NEED),
    |org| Some(org.actor()),
    async |request, knock: &Knock<'_>| {
        let org = access::enter_own::<P>(knock.app, knock.caller()).await?;
        denials::entered(request, || org.entered());
        Ok::<_, access::EnterError>(org)
    }
);
