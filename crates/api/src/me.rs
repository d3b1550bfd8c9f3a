//! The doors of what belongs to a person, as extractors.

use std::ops::Deref;

use kici_domain::access;
use kici_rbac::Need;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::credentials;
use crate::idempotency;

/// A signed-in person, outside of any organization.
pub(crate) struct Me(kici_domain::Me);

impl Deref for Me {
    type Target = kici_domain::Me;
    fn deref(&self) -> &kici_domain::Me {
        &self.0
    }
}

impl<'a> ApiExtractor<'a> for Me {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        credentials::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        credentials::schemes(&Need::Person)
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let knock = credentials::Knock::of(request)?;
        let entered = access::enter_person(knock.app, knock.caller()).await;
        let me = entered.map_err(crate::problem::ApiError::from)?;
        idempotency::claim(request, me.actor()).await?;
        Ok(Self(me))
    }
}

/// A person who has signed in themselves, outside of any organization.
pub(crate) struct Interactive(access::Interactive);

impl Deref for Interactive {
    type Target = access::Interactive;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'a> ApiExtractor<'a> for Interactive {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        credentials::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        credentials::schemes_in_words("interactive")
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let knock = credentials::Knock::of(request)?;
        let entered = access::enter_interactive(knock.app, knock.caller()).await;
        let me = entered.map_err(crate::problem::ApiError::from)?;
        idempotency::claim(request, me.actor()).await?;
        Ok(Self(me))
    }
}

/// Whoever comes with a token of the identity provider, known here or not. They may be nobody yet, so
/// no `Idempotency-Key` is theirs.
pub(crate) struct Arrival(access::Arrival);

impl Deref for Arrival {
    type Target = access::Arrival;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'a> ApiExtractor<'a> for Arrival {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        credentials::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        credentials::schemes_in_words("oidc")
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let knock = credentials::Knock::of(request)?;
        let arrived = access::arrive(knock.app, knock.caller()).await;
        Ok(Self(arrived.map_err(crate::problem::ApiError::from)?))
    }
}
