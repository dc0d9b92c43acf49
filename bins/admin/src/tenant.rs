//! `rowhouse-admin tenant`: tenants from the outside. No command here sees a tenant's rows.

use std::error::Error;

use chrono::{DateTime, Utc};
use clap::{Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use domain::{Email, Feature, SubscriptionTier, TenantName, TenantSlug, TenantStatus};
use store::{Added, OpsDb, PlanLimits, TenantSummary};

use crate::Refused;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a tenant without members; give it an owner with add-owner.
    Create {
        /// 3 to 63 of a-z, 0-9 and -.
        #[arg(value_parser = TenantSlug::parse)]
        slug: TenantSlug,
        /// The company's name.
        #[arg(long, value_parser = TenantName::parse)]
        name: TenantName,
    },
    /// All tenants.
    List,
    /// One tenant.
    Show {
        /// Which tenant.
        #[arg(value_parser = TenantSlug::parse)]
        slug: TenantSlug,
    },
    /// Locks a tenant: its members are refused from their next request on; its rows stay.
    Suspend {
        /// Which tenant.
        #[arg(value_parser = TenantSlug::parse)]
        slug: TenantSlug,
    },
    /// Unlocks a tenant.
    Activate {
        /// Which tenant.
        #[arg(value_parser = TenantSlug::parse)]
        slug: TenantSlug,
    },
    /// Erases a tenant at once and for good, with all that is in it and whatever its owners wanted.
    /// Prints what it was.
    Erase {
        /// Which tenant.
        #[arg(value_parser = TenantSlug::parse)]
        slug: TenantSlug,
        /// The slug once more: nothing brings the tenant back.
        #[arg(long, value_name = "SLUG", value_parser = TenantSlug::parse)]
        confirm: TenantSlug,
    },
    /// Changes what a tenant pays for.
    SetTier {
        /// Which tenant.
        #[arg(value_parser = TenantSlug::parse)]
        slug: TenantSlug,
        /// free, basic, premium or enterprise.
        tier: SubscriptionTier,
    },
    /// Changes how many requests a tenant may make; what is not given is its tier's.
    SetLimits {
        /// Which tenant.
        #[arg(value_parser = TenantSlug::parse)]
        slug: TenantSlug,
        /// Requests per minute.
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        per_minute: Option<i32>,
        /// Requests at once.
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        burst: Option<i32>,
    },
    /// Turns a feature on or off for a tenant, whatever its tier says.
    SetFeature {
        /// Which tenant.
        #[arg(value_parser = TenantSlug::parse)]
        slug: TenantSlug,
        /// api_keys, custom_roles or powered_by_badge.
        feature: Feature,
        /// on, off, or default: what its tier says.
        setting: Setting,
    },
    /// Makes somebody an owner: a member of the tenant, or whoever has registered with the
    /// address; anybody else is invited by mail.
    AddOwner {
        /// Which tenant.
        #[arg(value_parser = TenantSlug::parse)]
        slug: TenantSlug,
        /// The login address.
        #[arg(value_parser = Email::parse)]
        email: Email,
    },
}

/// What an operator decides about a feature.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Setting {
    On,
    Off,
    Default,
}

impl Setting {
    fn enabled(self) -> Option<bool> {
        match self {
            Self::On => Some(true),
            Self::Off => Some(false),
            Self::Default => None,
        }
    }
}

pub(crate) fn run(
    command: &Command,
    ops: &mut OpsDb,
    invitation_ends: DateTime<Utc>,
    limits: &PlanLimits,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let (slug, done) = match command {
        Command::List => return print(&ops.list_tenants()?, json),
        Command::Show { slug } => (slug, ops.find_tenant(slug)),
        Command::Create { slug, name } => (slug, ops.create_tenant(slug, name)),
        Command::Suspend { slug } => (slug, ops.set_status(slug, TenantStatus::Suspended)),
        Command::Activate { slug } => (slug, ops.set_status(slug, TenantStatus::Active)),
        Command::Erase { slug, confirm } if slug != confirm => {
            let why = format!("--confirm says {confirm}, not {slug}: nothing was erased");
            return Err(why.into());
        }
        Command::Erase { slug, .. } => (slug, ops.erase(slug)),
        Command::SetTier { slug, tier } => (slug, ops.set_tier(slug, *tier)),
        Command::SetLimits {
            slug,
            per_minute,
            burst,
        } => (slug, ops.set_limits(slug, *per_minute, *burst)),
        Command::SetFeature {
            slug,
            feature,
            setting,
        } => (slug, ops.set_feature(slug, *feature, setting.enabled())),
        Command::AddOwner { slug, email } => {
            let added = ops.add_owner(slug, email, invitation_ends, limits);
            if added.map_err(|error| explain(error, slug))? == Added::Invited {
                eprintln!("{email} has not registered yet and is invited by mail");
            }
            (slug, ops.find_tenant(slug))
        }
    };
    let tenant = done.map_err(|error| explain(error, slug))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&tenant)?);
        return Ok(());
    }
    print(&[tenant], json)
}

fn explain(error: store::Error, slug: &TenantSlug) -> Box<dyn Error> {
    match error {
        store::Error::NotFound => format!("there is no tenant {slug}").into(),
        store::Error::SlugTaken => Refused(format!("{slug} is taken")).into(),
        error @ store::Error::PlanLimit { .. } => Refused(format!("{slug}: {error}")).into(),
        store::Error::NotAllowed => Refused(format!("{slug} is about to be erased")).into(),
        error => error.into(),
    }
}

fn print(tenants: &[TenantSummary], json: bool) -> Result<(), Box<dyn Error>> {
    if json {
        println!("{}", serde_json::to_string_pretty(tenants)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "slug",
        "name",
        "status",
        "tier",
        "per minute",
        "burst",
        "members",
        "created",
        "erased after",
        "id",
    ]);
    for tenant in tenants {
        let limit =
            |limit: Option<i32>| limit.map_or_else(|| "tier's".to_owned(), |n| n.to_string());
        table.add_row([
            tenant.slug.clone(),
            tenant.name.clone(),
            tenant.status.clone(),
            tenant.subscription_tier.clone(),
            limit(tenant.rate_limit_per_minute),
            limit(tenant.rate_limit_burst),
            tenant.members.to_string(),
            tenant.created_at.format("%Y-%m-%d").to_string(),
            tenant.erase_after.map_or_else(String::new, |time| {
                time.format("%Y-%m-%d %H:%M UTC").to_string()
            }),
            tenant.id.to_string(),
        ]);
    }
    println!("{}", table.trim_fmt());
    Ok(())
}
