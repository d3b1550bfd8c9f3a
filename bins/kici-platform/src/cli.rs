//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use kici_model::OrgId;
use kici_model::text::{Email, OrgName, RoleName};

use crate::config::ConfigError;
use crate::telemetry::{self, Format};
use crate::{Config, dev, master_key, org, print, reference, serve};

/// The control plane for CI: who may do what, webhooks in, and their relay to your orchestrator.
#[derive(Debug, Parser)]
#[command(name = "kici-platform", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try everything on this machine: an embedded database, a demo organization, and a small
    /// orchestrator that takes its webhooks. Nothing to install, nothing to configure.
    Dev {
        /// Where to listen; loopback only. Port 0 takes a free one.
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Keep nothing: use a temporary folder instead of `./.kici-dev/`.
        #[arg(long)]
        ephemeral: bool,
    },
    /// Run the platform. Brings the database up to date first.
    Serve {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Bring the database up to date, and do nothing else.
    Migrate {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Look at the configuration without running anything.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make, list and close organizations on the database itself, as its operator.
    #[command(subcommand)]
    Org(OrgCommand),
    /// Let people in on the database itself, as its operator.
    #[command(subcommand)]
    User(UserCommand),
    /// Make master keys, which seal the secrets in the database, and change from one to another.
    #[command(subcommand)]
    MasterKey(MasterKeyCommand),
    /// Print the OpenAPI document.
    Openapi,
    /// Print a page of the reference documentation.
    Reference {
        /// Which page.
        page: reference::Page,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether the configuration can be used.
    Check {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print the configuration as it is in effect, secrets blanked.
    Print {
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Subcommand)]
enum OrgCommand {
    /// Make an organization with one owner, and print a personal access token for them.
    Create {
        #[command(flatten)]
        config: ConfigFile,
        /// What people will call it.
        #[arg(long)]
        name: OrgName,
        /// The e-mail address of its owner, who is added where unknown.
        #[arg(long, value_name = "EMAIL")]
        owner: Email,
    },
    /// Make somebody a member, with the role Member or another one: for servers without an identity
    /// provider, where nobody can accept an invitation.
    AddMember {
        #[command(flatten)]
        config: ConfigFile,
        /// Of which, such as `org_NXho8YmATbZa`.
        org: OrgId,
        /// The person's e-mail address; they are added where unknown.
        #[arg(long)]
        email: Email,
        /// The name of the role that they have.
        #[arg(long, default_value = "Member")]
        role: RoleName,
    },
    /// List all organizations.
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Close an organization: every request to it is refused until it is enabled again.
    Disable {
        #[command(flatten)]
        config: ConfigFile,
        /// Which, such as `org_NXho8YmATbZa`.
        org: OrgId,
    },
    /// Open an organization again that was disabled.
    Enable {
        #[command(flatten)]
        config: ConfigFile,
        /// Which, such as `org_NXho8YmATbZa`.
        org: OrgId,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Print a new personal access token for a person, who is added where unknown. What they may
    /// do is told by their roles.
    Token {
        #[command(flatten)]
        config: ConfigFile,
        /// The person's e-mail address.
        #[arg(long)]
        email: Email,
    },
}

#[derive(Debug, Subcommand)]
enum MasterKeyCommand {
    /// Make a new master key in a new file, readable for its owner alone.
    Create {
        /// The file, which must not exist.
        file: PathBuf,
    },
    /// Seal everything in the database with the first of the configured master keys, also while
    /// servers run that have all of them. Afterwards the other keys are not needed any more. If it
    /// is interrupted, run it again.
    Rotate {
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration, as TOML. `KICI_<SECTION>_<KEY>` in the environment goes before it.
    #[arg(long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl ConfigFile {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(self.read()?)
    }

    fn read(&self) -> Result<Config, ConfigError> {
        Config::load(self.file.as_deref(), std::env::vars())
    }

    /// Runs what a service manager starts: its errors are written in the format of the log.
    fn start<W>(&self, work: impl FnOnce(Config) -> W) -> Result<(), Failure>
    where
        W: Future<Output = anyhow::Result<()>>,
    {
        let config =
            self.read().map_err(|error| Failure { format: error.format, error: error.into() })?;
        let format = config.log.format;
        block_on(work(config)).map_err(|error| Failure { error, format })
    }
}

/// The error that ends the program, and how it is written.
struct Failure {
    error: anyhow::Error,
    format: Format,
}

/// Commands that a person types answer in plain text.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { error, format: Format::Text }
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    // One crypto provider for everything that opens TLS. It fails only if there is one already.
    drop(rustls::crypto::ring::default_provider().install_default());
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { error, .. }) if print::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(Failure { error, format }) => {
            telemetry::report(&chain(&error), format);
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, but none that was said already.
fn chain(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

fn run(command: Command) -> Result<(), Failure> {
    let done = match command {
        Command::Dev { listen, ephemeral } => block_on(dev::run(listen, ephemeral)),
        Command::Serve { config } => return config.start(serve::run),
        Command::Migrate { config } => return config.start(migrate),
        Command::Config(ConfigCommand::Check { config }) => check(&config.load()?),
        Command::Config(ConfigCommand::Print { config }) => print::text(&config.load()?.to_toml()),
        Command::Org(OrgCommand::Create { config, name, owner }) => {
            block_on(org::create(config.load()?, name, owner))
        }
        Command::Org(OrgCommand::AddMember { config, org, email, role }) => {
            block_on(org::add_member(config.load()?, org, email, role))
        }
        Command::Org(OrgCommand::List { config }) => block_on(org::list(config.load()?)),
        Command::Org(OrgCommand::Disable { config, org }) => {
            block_on(org::set_disabled(config.load()?, org, true))
        }
        Command::Org(OrgCommand::Enable { config, org }) => {
            block_on(org::set_disabled(config.load()?, org, false))
        }
        Command::User(UserCommand::Token { config, email }) => {
            block_on(org::user_token(config.load()?, email))
        }
        Command::MasterKey(MasterKeyCommand::Create { file }) => master_key::create(&file),
        Command::MasterKey(MasterKeyCommand::Rotate { config }) => {
            block_on(master_key::rotate(config.load()?))
        }
        Command::Openapi => print::text(&kici_api::document()),
        Command::Reference { page } => print::text(&reference::page(page)),
    };
    Ok(done?)
}

async fn migrate(config: Config) -> anyhow::Result<()> {
    let url = &config.database.url;
    url.prepare().await?;
    kici_migration::migrate(url.expose())
        .await
        .with_context(|| format!("the database at `{}` was not migrated", url.place()))?;
    print::line("The database is up to date.")
}

fn check(config: &Config) -> anyhow::Result<()> {
    config.check_files().context("the configuration can't be used")?;
    config.master_keys().read()?;
    for warning in config.warnings() {
        print::line(&format!("warning: {warning}"))?;
    }
    print::line("The configuration can be used.")
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to run on")?
        .block_on(work)
}

/// The whole tree of commands, for the reference.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}
