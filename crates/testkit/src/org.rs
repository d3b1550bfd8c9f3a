//! An organisation with its owner and keys, made as an operator and its owner would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use kici_domain::access::{self, Caller, Operation, Presents};
use kici_domain::api_keys::NewApiKey;
use kici_domain::orchestrator_keys::NewOrchestratorKey;
use kici_domain::roles::NewRole;
use kici_domain::{Org, api_keys, members, orchestrator_keys, roles, setup};
use kici_model::text::RequestId;
use kici_model::{CredentialId, OrgId, Secret, UserId};
use kici_orchestrator_core::{Config, Handler, Orchestrator, Source};
use kici_rbac::{Matrix, Permission, RepoPattern};
use reqwest::{Method, RequestBuilder};

use crate::{PATIENCE, TestPlatform};

/// A member of an organisation.
#[derive(Debug, Clone)]
pub struct TestMember {
    /// Their id.
    pub id: UserId,
    /// A personal access token of theirs.
    pub token: String,
}

/// An organisation.
#[derive(Debug, Clone)]
pub struct TestOrg {
    /// Its id.
    pub id: OrgId,
    /// Its owner.
    pub owner: UserId,
    /// A personal access token of the owner.
    pub token: String,
}

impl TestOrg {
    /// Makes one, called `name`, with an owner of its own.
    ///
    /// # Errors
    /// It could not be made.
    pub async fn create(platform: &TestPlatform, name: &str) -> anyhow::Result<Self> {
        let owner = format!("owner@{}.example", name.to_lowercase().replace(' ', "-"));
        let made = setup::create_org(platform.app(), &name.parse()?, &owner.parse()?).await?;
        let token = made.token.reveal().to_owned();
        Ok(Self { id: made.org, owner: made.owner, token })
    }

    /// Comes through the door as the owner.
    ///
    /// # Errors
    /// The door stays shut.
    pub async fn enter<P: Permission>(&self, platform: &TestPlatform) -> anyhow::Result<Org<P>> {
        let request_id: RequestId = "test".parse()?;
        let presents = Some(Presents::Bearer(&self.token));
        let operation = Operation::new("test", Arc::default());
        let caller =
            Caller { presents, request_id: &request_id, operation: &operation, observer: None };
        Ok(access::enter::<P>(platform.app(), caller, self.id.as_str()).await?)
    }

    /// A member with one role of their own, which holds `permissions` everywhere; with
    /// [`Matrix::NONE`] no role at all.
    ///
    /// # Errors
    /// They could not be added.
    pub async fn member(
        &self,
        platform: &TestPlatform,
        permissions: Matrix,
    ) -> anyhow::Result<TestMember> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let app = platform.app();
        let email = format!("member-{n}@{}.example", self.id.as_str().to_lowercase());
        let (id, token) = setup::person(app, &email.parse()?).await?;
        let org = self.enter(platform).await?;
        members::add(app, &org, &id).await?;
        if !permissions.is_empty() {
            let wanted = NewRole {
                name: format!("Role of {id}").parse()?,
                description: None,
                permissions,
                patterns: vec![RepoPattern::parse("*")?],
            };
            let role = roles::create(app, &org, wanted).await?;
            members::set_roles(app, &org, &id, &[role.id].into()).await?;
        }
        Ok(TestMember { id, token: token.reveal().to_owned() })
    }

    /// An API key of the owner that holds `permissions`.
    ///
    /// # Errors
    /// It could not be made.
    pub async fn api_key(
        &self,
        platform: &TestPlatform,
        permissions: Matrix,
    ) -> anyhow::Result<String> {
        let org = self.enter(platform).await?;
        let wanted =
            NewApiKey { name: "test".parse()?, description: None, permissions, days: None };
        let (made, _) = api_keys::create(platform.app(), &org, &wanted).await?;
        Ok(made.token.reveal().to_owned())
    }

    /// A new orchestrator key.
    ///
    /// # Errors
    /// It could not be made.
    pub async fn orchestrator_key(
        &self,
        platform: &TestPlatform,
    ) -> anyhow::Result<(CredentialId, String)> {
        let org = self.enter(platform).await?;
        let wanted =
            NewOrchestratorKey { name: "test".parse()?, description: None, patterns: None };
        let (made, _) = orchestrator_keys::create(platform.app(), &org, &wanted).await?;
        Ok((made.id, made.token.reveal().to_owned()))
    }

    /// What an orchestrator of this organisation is started with: quick to reconnect.
    #[must_use]
    pub fn orchestrator_config(
        &self,
        platform: &TestPlatform,
        key: &str,
        sources: impl IntoIterator<Item = Source>,
        handler: Arc<dyn Handler>,
    ) -> Config {
        let mut config = Config::new(platform.link_url(), Secret::new(key.to_owned()))
            .with_sources(sources)
            .with_handler(handler);
        config.reconnect_base = Duration::from_millis(50);
        config
    }

    /// A connected orchestrator with a key of its own, which serves `sources`.
    ///
    /// # Errors
    /// It does not connect.
    pub async fn orchestrator(
        &self,
        platform: &TestPlatform,
        sources: impl IntoIterator<Item = Source>,
        handler: Arc<dyn Handler>,
    ) -> anyhow::Result<Orchestrator> {
        let (_, key) = self.orchestrator_key(platform).await?;
        let config = self.orchestrator_config(platform, &key, sources, handler);
        let orchestrator = Orchestrator::start(config);
        orchestrator.wait_until_registered(PATIENCE).await.context("not registered")?;
        Ok(orchestrator)
    }

    /// A request of the owner to `path` under the organisation.
    pub fn request(&self, platform: &TestPlatform, method: Method, path: &str) -> RequestBuilder {
        let url = platform.url(&format!("/api/v1/orgs/{}{path}", self.id));
        platform.http().request(method, url).bearer_auth(&self.token)
    }
}
