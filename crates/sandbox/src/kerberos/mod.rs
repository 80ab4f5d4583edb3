//! Kerberos without a KDC: a configuration and ticket caches from which the real MIT library makes real tokens.
//!
//! The caches hold a ticket-granting ticket and tickets for `HTTP/127.0.0.1`, `HTTP/localhost` and the sandbox's own
//! address of the realm `SANDBOX.TEST`. The library needs no KDC to use them: it makes an authenticator with the session key and
//! wraps both into the token. Only a service with the realm's keys could open the tickets, and there is none:
//! the sandbox's Errata Tool checks that a token is well-formed.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};

use self::ccache::{Principal, Validity};

mod ccache;
mod der;

/// The made-up realm.
pub const REALM: &str = "SANDBOX.TEST";
/// The user whose tickets these are.
pub const USER: &str = "rlead";

/// Hosts for which there are tickets, beside the sandbox's own address.
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];
/// `KRB5_NT_PRINCIPAL`.
const KIND_USER: u8 = 1;
/// `KRB5_NT_SRV_INST`.
const KIND_SERVICE: u8 = 2;
/// `KRB5_NT_SRV_HST`.
const KIND_HOST: u8 = 3;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What the cache of a product process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tickets {
    /// Tickets that are valid for a year.
    #[default]
    Valid,
    /// Tickets that ended yesterday.
    Expired,
    /// No cache at all.
    None,
}

/// The files.
#[derive(Clone, Debug)]
pub struct Kerberos {
    directory: PathBuf,
}

impl Kerberos {
    /// Writes all files into `directory`, with tickets for a sandbox at `address`.
    pub(crate) fn write(directory: &Path, address: IpAddr) -> io::Result<Self> {
        let kerberos = Self { directory: directory.to_owned() };
        let own = address.to_string();
        let mut hosts = HOSTS.to_vec();
        hosts.extend(Some(own.as_str()).filter(|own| !HOSTS.contains(own)));
        fs::write(kerberos.configuration(), configuration(&hosts))?;
        // The library compares tickets with the real time, whatever the sandbox's clock shows.
        let now = Timestamp::now();
        let from_now = |offset: SignedDuration| now.saturating_add(offset).unwrap_or(now);
        for (tickets, start, end) in
            [(Tickets::Valid, -DAY / 24, DAY * 365), (Tickets::Expired, -DAY * 2, -DAY)]
        {
            let validity = Validity { start: from_now(start), end: from_now(end) };
            let path = kerberos.cache(tickets);
            fs::write(&path, cache(&hosts, validity))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
        Ok(kerberos)
    }

    /// The `krb5.conf`.
    pub fn configuration(&self) -> PathBuf {
        self.directory.join("krb5.conf")
    }

    /// The cache file; for [`Tickets::None`] a path where there is none.
    pub fn cache(&self, tickets: Tickets) -> PathBuf {
        self.directory.join(match tickets {
            Tickets::Valid => "krb5cc",
            Tickets::Expired => "krb5cc-expired",
            Tickets::None => "krb5cc-absent",
        })
    }

    /// `KRB5_CONFIG` and `KRB5CCNAME`.
    pub fn environment(&self, tickets: Tickets) -> Vec<(String, String)> {
        let cache = format!("FILE:{}", self.cache(tickets).display());
        vec![
            ("KRB5_CONFIG".to_owned(), self.configuration().display().to_string()),
            ("KRB5CCNAME".to_owned(), cache),
        ]
    }
}

fn configuration(hosts: &[&str]) -> String {
    let hosts: Vec<String> = hosts.iter().map(|host| format!("  {host} = {REALM}\n")).collect();
    let hosts = hosts.concat();
    format!(
        "# Made by oar-sandbox. No KDC is named and none is looked up, so nothing leaves this machine.\n\
         [libdefaults]\n  default_realm = {REALM}\n  dns_lookup_realm = false\n  dns_lookup_kdc = false\n  \
         dns_canonicalize_hostname = false\n  rdns = false\n\n[domain_realm]\n{hosts}"
    )
}

fn cache(hosts: &[&str], validity: Validity) -> Vec<u8> {
    let client = Principal { kind: KIND_USER, realm: REALM, name: &[USER] };
    let granting = ["krbtgt", REALM];
    let names: Vec<[&str; 2]> = hosts.iter().map(|host| ["HTTP", *host]).collect();
    let mut servers = vec![Principal { kind: KIND_SERVICE, realm: REALM, name: &granting }];
    servers.extend(names.iter().map(|name| Principal { kind: KIND_HOST, realm: REALM, name }));
    ccache::cache(client, REALM, &servers, validity)
}
