//! The company directory, for people's managers (spec 02 §6).
//!
//! One connection serves all look-ups of a command. The server's certificate is always verified. An entry
//! that the directory does not have is an [`Absence`]; a failed query is a [`ServiceError`].

mod connection;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use ldap3::{Scope, SearchEntry, ldap_escape};
use tokio::sync::Mutex;
use url::Url;

use crate::email::EmailAddress;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::Activity;
use crate::service::Service;
use connection::Connection;

/// The base entry of people.
const BASE: &str = "dc=redhat,dc=com";
/// The attributes with addresses: the primary one, another one, and the alias that other services may show
/// (spec 02 §6).
const MAILS: [&str; 3] = ["rhatPrimaryMail", "mail", "rhatPreferredAlias"];
const MANAGER: [&str; 1] = ["manager"];

/// The result of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManagerLookup {
    /// The manager's address.
    Found(EmailAddress),
    /// The directory has no answer.
    Absent(Absence),
}

/// Why the directory does not name a person's manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// Nobody has the address.
    NoSuchPerson,
    /// Several people have the address.
    SeveralPeople,
    /// The person has no manager.
    NoManager,
    /// The person has several managers.
    SeveralManagers,
    /// The manager has no entry.
    ManagerGone,
    /// The manager has no address.
    ManagerWithoutAddress,
}

impl fmt::Display for Absence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoSuchPerson => {
                "nobody in the directory has this address, or it does not show people to an anonymous search"
            }
            Self::SeveralPeople => "several people in the directory have this address",
            Self::NoManager => "the directory names no manager",
            Self::SeveralManagers => "the directory names several managers",
            Self::ManagerGone => "the manager has no entry in the directory",
            Self::ManagerWithoutAddress => "the manager has no address in the directory",
        })
    }
}

/// How the directory is reached.
#[derive(Clone)]
pub struct LdapSettings {
    /// `ldaps://host[:port]`, or `ldap://` without TLS where the configuration says so.
    pub url: Url,
    /// Time limit for connecting, and for each search of a look-up.
    pub timeout: Duration,
    /// Certificates of a private authority, in PEM, trusted in addition to the system's.
    pub ca_bundle: Option<Vec<u8>>,
}

/// The client of the directory. It binds anonymously.
pub struct LdapClient {
    settings: LdapSettings,
    activity: Activity,
    connection: Mutex<Option<Connection>>,
    /// Results so far; one command often looks up the same people.
    known: Mutex<HashMap<String, Managers>>,
    /// Whether it shows people at all to somebody without an account.
    shows_people: Mutex<Option<bool>>,
}

/// The managers of a person in their order; an empty list is a person without one.
type Managers = Result<Vec<ManagerEntry>, Absence>;

/// The entry of a manager.
#[derive(Debug, Clone, Default)]
struct ManagerEntry {
    exists: bool,
    addresses: Vec<EmailAddress>,
}

impl LdapClient {
    /// A client; it connects at the first look-up. Its look-ups count in `activity`, as all other requests of a program do.
    pub fn new(settings: LdapSettings, activity: Activity) -> Self {
        Self {
            settings,
            activity,
            connection: Mutex::default(),
            known: Mutex::default(),
            shows_people: Mutex::default(),
        }
    }

    /// The address of the manager of the person with this address. Some people have two managers; the first one with an address
    /// is returned.
    pub async fn manager_of(&self, address: &EmailAddress) -> Result<ManagerLookup, ServiceError> {
        let managers = match self.managers(address).await? {
            Ok(managers) if managers.is_empty() => Err(Absence::NoManager),
            other => other,
        };
        Ok(match managers {
            Err(absence) => ManagerLookup::Absent(absence),
            Ok(managers) => match managers.iter().find_map(|manager| manager.addresses.first()) {
                Some(address) => ManagerLookup::Found(address.clone()),
                None => ManagerLookup::Absent(without_address(&managers)),
            },
        })
    }

    /// All addresses of the one manager of whoever has this address, the primary one first: other services may know the
    /// manager by any of them. `Err` says why the directory does not tell.
    ///
    /// That nobody has the address is believed only of a directory that shows people at all: one that shows nobody to
    /// somebody without an account answers the same. Then it is an error.
    pub async fn only_manager_of(
        &self,
        address: &EmailAddress,
    ) -> Result<Result<Vec<EmailAddress>, Absence>, ServiceError> {
        let managers = match self.managers(address).await? {
            Ok(managers) => managers,
            Err(Absence::NoSuchPerson) if !self.shows_people().await? => {
                let words = "the directory shows no people to a search without an account";
                return Err(failure(ServiceErrorKind::Forbidden, words));
            }
            Err(absence) => return Ok(Err(absence)),
        };
        Ok(match managers.as_slice() {
            [] => Err(Absence::NoManager),
            [one] if one.addresses.is_empty() => Err(without_address(&managers)),
            [one] => Ok(one.addresses.clone()),
            _ => Err(Absence::SeveralManagers),
        })
    }

    /// Connects to the directory, and signs in without an account.
    pub async fn reach(&self) -> Result<(), ServiceError> {
        let _under_way = self.activity.begin();
        Connection::open(&self.settings).await.map(drop)
    }

    async fn managers(&self, address: &EmailAddress) -> Result<Managers, ServiceError> {
        let key = address.expose().to_lowercase();
        if let Some(known) = self.known.lock().await.get(&key) {
            return Ok(known.clone());
        }
        let found = self.look_up(address).await?;
        self.known.lock().await.insert(key, found.clone());
        Ok(found)
    }

    async fn look_up(&self, address: &EmailAddress) -> Result<Managers, ServiceError> {
        let value = ldap_escape(address.expose());
        let any = MAILS.map(|attribute| format!("({attribute}={value})")).concat();
        let people = self.search(BASE, Scope::Subtree, &format!("(|{any})"), &MANAGER).await?;
        let [person] = people.as_slice() else {
            return Ok(Err(if people.is_empty() { Absence::NoSuchPerson } else { Absence::SeveralPeople }));
        };
        let mut managers = Vec::new();
        for manager in values(person, &MANAGER) {
            let mut found = ManagerEntry::default();
            for entry in self.search(manager, Scope::Base, "(objectClass=*)", &MAILS).await? {
                found.exists = true;
                let mails = values(&entry, &MAILS).into_iter();
                found.addresses.extend(mails.filter_map(|mail| EmailAddress::from_service(mail).ok()));
            }
            managers.push(found);
        }
        Ok(Ok(managers))
    }

    /// Whether anybody is found at all; asked once.
    async fn shows_people(&self) -> Result<bool, ServiceError> {
        let mut known = self.shows_people.lock().await;
        if let Some(known) = *known {
            return Ok(known);
        }
        let _under_way = self.activity.begin();
        let kept = self.connection.lock().await;
        let anybody = format!("({}=*)", MAILS[0]);
        let found = match kept.as_ref() {
            Some(connection) => connection.finds_any(BASE, &anybody).await?,
            None => Connection::open(&self.settings).await?.finds_any(BASE, &anybody).await?,
        };
        *known = Some(found);
        Ok(found)
    }

    /// The first entries below `base`; empty when `base` does not exist. A lost connection is reopened once.
    async fn search(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &'static [&'static str],
    ) -> Result<Vec<SearchEntry>, ServiceError> {
        let _under_way = self.activity.begin();
        let mut kept = self.connection.lock().await;
        let is_fresh = kept.is_none();
        let connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::open(&self.settings).await?,
        };
        let first = connection.search(base, scope, filter, attributes).await;
        let (connection, outcome) = match first {
            Err(error) if !is_fresh && error.kind == ServiceErrorKind::Unavailable => {
                let connection = Connection::open(&self.settings).await?;
                let outcome = connection.search(base, scope, filter, attributes).await;
                (connection, outcome)
            }
            outcome => (connection, outcome),
        };
        if outcome.is_ok() {
            *kept = Some(connection);
        }
        outcome
    }
}

impl fmt::Debug for LdapClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LdapClient").field("url", &self.settings.url.as_str()).finish_non_exhaustive()
    }
}

/// Why managers without an address have none: the first who has an entry decides.
fn without_address(managers: &[ManagerEntry]) -> Absence {
    let exists = managers.iter().any(|manager| manager.exists);
    if exists { Absence::ManagerWithoutAddress } else { Absence::ManagerGone }
}

/// The values of the attributes in the given order; their names are compared ignoring case.
fn values<'a>(entry: &'a SearchEntry, attributes: &[&str]) -> Vec<&'a str> {
    let of = |attribute: &&str| {
        let found = entry.attrs.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        found.map(|(_, values)| values.as_slice()).unwrap_or_default()
    };
    attributes.iter().flat_map(of).map(String::as_str).collect()
}

fn failure(kind: ServiceErrorKind, detail: impl Into<String>) -> ServiceError {
    ServiceError::new(Service::Ldap, "look up a manager", kind, detail)
}
