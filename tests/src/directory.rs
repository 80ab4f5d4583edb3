//! A real directory of people: OpenLDAP's slapd with verified TLS.
#![expect(clippy::unwrap_used, reason = "a directory that cannot start fails the test")]

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::Harness;

/// A person in the directory.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The name of the account.
    pub uid: &'a str,
    /// The attribute with the addresses: `rhatPrimaryMail`, `mail`, `rhatPreferredAlias`.
    pub attribute: &'a str,
    /// The addresses.
    pub mails: &'a [&'a str],
    /// The accounts of the managers.
    pub managers: &'a [&'a str],
}

impl<'a> Person<'a> {
    /// Somebody with a primary address.
    pub const fn new(uid: &'a str, mails: &'a [&'a str], managers: &'a [&'a str]) -> Self {
        Self { uid, attribute: "rhatPrimaryMail", mails, managers }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Directory {
    folder: TempDir,
    /// Its port without TLS.
    pub plain: u16,
    /// Its port with TLS.
    pub tls: u16,
    server: Child,
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It holds nothing worth an orderly end.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A port that nobody uses.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(program: &str, arguments: &[&str], folder: &Path) {
    // Debian's packages slapd and openssl are needed here.
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Directory {
    /// A server with these people.
    ///
    /// # Panics
    /// When it cannot start.
    pub fn start(people: &[Person<'_>]) -> Self {
        let folder = TempDir::new().unwrap();
        let home = folder.path();
        let name = "subjectAltName=IP:127.0.0.1";
        let certificate = [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=directory",
            "-addext",
            name,
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
        ];
        run("openssl", &certificate, home);
        std::fs::create_dir(home.join("data")).unwrap();
        let configuration = format!(
            "include /etc/ldap/schema/core.schema\n\
             include /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\n\
             attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'rhatPrimaryMail' EQUALITY caseIgnoreIA5Match \
             SUBSTR caseIgnoreIA5SubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )\n\
             attributetype ( 1.3.6.1.4.1.99999.1.2 NAME 'rhatPreferredAlias' EQUALITY caseIgnoreIA5Match \
             SUBSTR caseIgnoreIA5SubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )\n\
             objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'demoPerson' SUP top AUXILIARY \
             MAY ( rhatPrimaryMail $ rhatPreferredAlias ) )\n\
             modulepath /usr/lib/ldap\n\
             moduleload back_mdb\n\
             pidfile {0}/pid\n\
             TLSCertificateFile {0}/certificate.pem\n\
             TLSCertificateKeyFile {0}/key.pem\n\
             database mdb\n\
             suffix \"dc=redhat,dc=com\"\n\
             directory {0}/data\n\
             access to * by * read\n",
            home.display()
        );
        std::fs::write(home.join("slapd.conf"), configuration).unwrap();
        let mut entries = String::from(
            "dn: dc=redhat,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: Demo\ndc: redhat\n\n\
             dn: ou=users,dc=redhat,dc=com\nobjectClass: organizationalUnit\nou: users\n\n",
        );
        for Person { uid, attribute, mails, managers } in people {
            write!(
                entries,
                "dn: uid={uid},ou=users,dc=redhat,dc=com\nobjectClass: inetOrgPerson\nobjectClass: demoPerson\n\
                 uid: {uid}\ncn: {uid}\nsn: {uid}\n"
            )
            .unwrap();
            for mail in *mails {
                writeln!(entries, "{attribute}: {mail}").unwrap();
            }
            for manager in *managers {
                writeln!(entries, "manager: uid={manager},ou=users,dc=redhat,dc=com").unwrap();
            }
            entries.push('\n');
        }
        std::fs::write(home.join("entries.ldif"), entries).unwrap();
        run("/usr/sbin/slapadd", &["-f", "slapd.conf", "-l", "entries.ldif"], home);
        let (plain, tls) = (free_port(), free_port());
        let server = Command::new("/usr/sbin/slapd")
            .args(["-f", "slapd.conf", "-d", "0", "-h"])
            .arg(format!("ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{tls}"))
            .current_dir(home)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for port in [plain, tls] {
            let is_up = || TcpStream::connect(("127.0.0.1", port)).is_ok();
            assert!((0..2000).any(|_| is_up() || {
                std::thread::sleep(Duration::from_millis(5));
                false
            }));
        }
        Self { folder, plain, tls, server }
    }

    /// The certificate that signs its own.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn certificate(&self) -> Vec<u8> {
        std::fs::read(self.certificate_path()).unwrap()
    }

    /// Where that certificate is.
    pub fn certificate_path(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Ends the server.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn stop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// The harness whose programs ask this server.
    #[must_use]
    pub fn asked_by(&self, harness: Harness) -> Harness {
        harness
            .env("OAR_ENDPOINT_LDAP", &format!("ldaps://127.0.0.1:{}", self.tls))
            .env("OAR_CA_BUNDLE", &self.certificate_path().to_string_lossy())
    }
}
