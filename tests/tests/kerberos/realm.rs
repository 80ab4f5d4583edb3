//! A Kerberos realm of its own: an MIT KDC on a free port, with users and the web server's keys.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::{Server, free_port, program, run};

pub(crate) const REALM: &str = "EXAMPLE.TEST";

pub(crate) struct Realm {
    folder: TempDir,
    _kdc: Server,
}

impl Realm {
    /// Starts the KDC with the users `bot` (a user of the Errata Tool) and `nobody` (none), and the service
    /// `HTTP/localhost`, whose key was changed once.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("oar-kerberos-").tempdir().unwrap();
        // Apache's processes run as another user when the test runs as root.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        let at = folder.path().display();
        write(&folder.path().join("krb5.conf"), &client_configuration(port));
        write(
            &folder.path().join("kdc.conf"),
            &format!(
                "[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n\
                 [realms]\n {REALM} = {{\n  database_name = {at}/principal\n  key_stash_file = {at}/stash\n  \
                 acl_file = {at}/acl\n  max_life = 1h\n }}\n\
                 [logging]\n kdc = FILE:{at}/kdc.log\n"
            ),
        );
        let environment = |command: &mut Command| {
            command
                .env("KRB5_CONFIG", folder.path().join("krb5.conf"))
                .env("KRB5_KDC_PROFILE", folder.path().join("kdc.conf"));
        };
        let mut create = Command::new(program("kdb5_util", "krb5-kdc"));
        environment(create.args(["create", "-s", "-P", "made-up", "-r", REALM]));
        run(&mut create);
        let keytab = |name: &str| folder.path().join(name).display().to_string();
        for query in [
            "addprinc -randkey bot".to_owned(),
            "addprinc -randkey nobody".to_owned(),
            "addprinc -randkey HTTP/localhost".to_owned(),
            format!("ktadd -q -k {} bot", keytab("bot.keytab")),
            format!("ktadd -q -k {} nobody", keytab("nobody.keytab")),
            // Each export makes a new key: the first file is of no use afterwards.
            format!("ktadd -q -k {} HTTP/localhost", keytab("outdated.keytab")),
            format!("ktadd -q -k {} HTTP/localhost", keytab("http.keytab")),
        ] {
            let mut admin = Command::new(program("kadmin.local", "krb5-admin-server"));
            environment(admin.args(["-r", REALM, "-q", &query]));
            run(&mut admin);
        }
        for name in ["outdated.keytab", "http.keytab"] {
            std::fs::set_permissions(keytab(name), std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        let mut kdc = Command::new(program("krb5kdc", "krb5-kdc"));
        environment(kdc.args(["-n", "-r", REALM]));
        let kdc = Server::start(&mut kdc, port, &folder.path().join("kdc.log"));
        Self { folder, _kdc: kdc }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join("krb5.conf")
    }

    /// A configuration whose KDC does not exist.
    pub(crate) fn configuration_without_kdc(&self) -> PathBuf {
        let file = self.folder.path().join("krb5-without-kdc.conf");
        write(&file, &client_configuration(free_port()));
        file
    }

    pub(crate) fn keytab(&self, user: &str) -> PathBuf {
        self.folder.path().join(format!("{user}.keytab"))
    }

    /// A new cache with a ticket of `user`, got with the keytab.
    pub(crate) fn ticket(&self, user: &str, lifetime: &str) -> PathBuf {
        let cache = self.folder.path().join(format!("cache-{user}-{lifetime}"));
        let mut kinit = Command::new(program("kinit", "krb5-user"));
        kinit.env("KRB5_CONFIG", self.configuration()).arg("-l").arg(lifetime).arg("-c").arg(&cache);
        run(kinit.arg("-k").arg("-t").arg(self.keytab(user)).arg(user));
        cache
    }

    /// A cache whose ticket was good once.
    pub(crate) fn expired_ticket(&self) -> PathBuf {
        let cache = self.ticket("bot", "1s");
        let valid = || {
            let mut klist = Command::new(program("klist", "krb5-user"));
            klist.env("KRB5_CONFIG", self.configuration()).arg("-s").arg(&cache).status().unwrap().success()
        };
        let started = Instant::now();
        while valid() {
            assert!(started.elapsed() < Duration::from_secs(30), "a ticket of one second does not expire");
            std::thread::sleep(Duration::from_millis(100));
        }
        // `klist` counts the last second as over, the KDC does not.
        std::thread::sleep(Duration::from_millis(1500));
        cache
    }
}

fn client_configuration(port: u16) -> String {
    format!(
        "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n \
         dns_canonicalize_hostname = false\n rdns = false\n\
         [realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{port}\n }}\n\
         [domain_realm]\n localhost = {REALM}\n 127.0.0.1 = {REALM}\n"
    )
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
