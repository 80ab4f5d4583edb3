//! Managers in a real directory: OpenLDAP's slapd with verified TLS.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use end_to_end::{Harness, KONFLUX};
use oar_core::clients::ldap::{Absence, LdapClient, LdapSettings, ManagerLookup};
use oar_core::email::EmailAddress;
use oar_core::error::{Classified, ErrorClass, ServiceError};
use tempfile::TempDir;

/// People with their address in the attribute `mail`.
const OTHER_ADDRESSES: [(&str, &str, &[&str]); 2] =
    [("alias", "alias@example.com", &["chief"]), ("chief", "chief@example.com", &[])];

const PEOPLE: [(&str, &[&str], &[&str]); 9] = [
    ("qcontact", &["qcontact@example.com"], &["boss"]),
    ("boss", &["second-lead@example.com", "boss@example.com"], &[]),
    ("orphan", &["orphan@example.com"], &[]),
    ("stray", &["stray@example.com"], &["gone"]),
    ("shy", &["shy@example.com"], &["silent"]),
    ("silent", &[], &[]),
    ("two", &["two@example.com"], &["silent", "boss"]),
    ("twin1", &["twin@example.com"], &["boss"]),
    ("twin2", &["twin@example.com"], &["boss"]),
];

struct Directory {
    folder: TempDir,
    plain: u16,
    tls: u16,
    server: Child,
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It holds nothing worth an orderly end.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(program: &str, arguments: &[&str], folder: &Path) {
    // Debian's packages slapd and openssl are needed here.
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Directory {
    fn start() -> Self {
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
             objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'demoPerson' SUP top AUXILIARY MAY rhatPrimaryMail )\n\
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
        let people = PEOPLE.iter().map(|(uid, mails, managers)| (*uid, "rhatPrimaryMail", *mails, *managers));
        let others = OTHER_ADDRESSES
            .iter()
            .map(|(uid, mail, managers)| (*uid, "mail", std::slice::from_ref(mail), *managers));
        for (uid, attribute, mails, managers) in people.chain(others) {
            write!(
                entries,
                "dn: uid={uid},ou=users,dc=redhat,dc=com\nobjectClass: inetOrgPerson\nobjectClass: demoPerson\n\
                 uid: {uid}\ncn: {uid}\nsn: {uid}\n"
            )
            .unwrap();
            for mail in mails {
                writeln!(entries, "{attribute}: {mail}").unwrap();
            }
            for manager in managers {
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

    fn certificate(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("certificate.pem")).unwrap()
    }

    fn client(&self) -> LdapClient {
        client(&format!("ldaps://127.0.0.1:{}", self.tls), Some(self.certificate()))
    }
}

fn client(url: &str, ca_bundle: Option<Vec<u8>>) -> LdapClient {
    LdapClient::new(LdapSettings { url: url.parse().unwrap(), timeout: Duration::from_secs(5), ca_bundle })
}

async fn manager(client: &LdapClient, address: &str) -> Result<ManagerLookup, ServiceError> {
    client.manager_of(&EmailAddress::from_service(address).unwrap()).await
}

fn found(address: &str) -> ManagerLookup {
    ManagerLookup::Found(EmailAddress::from_service(address).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_are_found_and_each_absence_is_told_from_the_others() {
    let directory = Directory::start();
    let client = directory.client();
    for (address, expected) in [
        ("qcontact@example.com", found("second-lead@example.com")),
        ("QContact@Example.com", found("second-lead@example.com")),
        ("alias@example.com", found("chief@example.com")),
        ("two@example.com", found("second-lead@example.com")),
        ("nobody@example.com", ManagerLookup::Absent(Absence::NoSuchPerson)),
        ("twin@example.com", ManagerLookup::Absent(Absence::SeveralPeople)),
        ("orphan@example.com", ManagerLookup::Absent(Absence::NoManager)),
        ("stray@example.com", ManagerLookup::Absent(Absence::ManagerGone)),
        ("shy@example.com", ManagerLookup::Absent(Absence::ManagerWithoutAddress)),
    ] {
        assert_eq!(manager(&client, address).await.unwrap(), expected, "{address}");
    }
    let plain = self::client(&format!("ldap://127.0.0.1:{}", directory.plain), None);
    assert_eq!(manager(&plain, "qcontact@example.com").await.unwrap(), found("second-lead@example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_cannot_change_the_question() {
    let directory = Directory::start();
    let client = directory.client();
    for address in
        ["*@example.com", "qcontact*@example.com", "x)(uid=*@example.com", "\\71contact@example.com"]
    {
        let outcome = manager(&client, address).await.unwrap();
        assert_eq!(outcome, ManagerLookup::Absent(Absence::NoSuchPerson), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_trusted_or_reached_is_broken_and_not_empty() {
    let directory = Directory::start();
    let untrusted = client(&format!("ldaps://127.0.0.1:{}", directory.tls), None);
    let error = manager(&untrusted, "qcontact@example.com").await.unwrap_err();
    assert!(error.hint().unwrap().contains("OAR_CA_BUNDLE"), "{error}");
    let wrong_name = client(&format!("ldaps://localhost:{}", directory.tls), Some(directory.certificate()));
    assert!(manager(&wrong_name, "qcontact@example.com").await.is_err());
    let nobody = client(&format!("ldap://127.0.0.1:{}", free_port()), None);
    let error = manager(&nobody, "qcontact@example.com").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert!(!format!("{error} {error:?}").contains("qcontact"));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", silent.local_addr().unwrap());
    let silent_client = LdapClient::new(LdapSettings {
        url: url.parse().unwrap(),
        timeout: Duration::from_millis(300),
        ca_bundle: None,
    });
    let error = manager(&silent_client, "qcontact@example.com").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_again_and_known_answers_are_not_asked_for() {
    let mut directory = Directory::start();
    let client = directory.client();
    assert_eq!(manager(&client, "qcontact@example.com").await.unwrap(), found("second-lead@example.com"));
    directory.server.kill().unwrap();
    directory.server.wait().unwrap();
    assert_eq!(manager(&client, "qcontact@example.com").await.unwrap(), found("second-lead@example.com"));
    assert!(manager(&client, "orphan@example.com").await.is_err());
}

#[test]
fn the_program_tells_the_managers_of_the_contacts_of_cve_bugs() {
    let directory = Directory::start();
    let certificate = directory.folder.path().join("certificate.pem");
    let harness = Harness::new()
        .env("OAR_ENDPOINT_LDAP", &format!("ldaps://127.0.0.1:{}", directory.tls))
        .env("OAR_CA_BUNDLE", certificate.to_str().unwrap());
    {
        let mut jira = harness.sandbox.world().jira.lock();
        let contact = jira.issue("OCPBUGS-60010").unwrap().custom["customfield_10470"].clone();
        jira.issue_mut("OCPBUGS-60011").unwrap().custom.insert("customfield_10470".to_owned(), contact);
    }
    let run = harness.oar(KONFLUX, &["update-bug-list", "--notify-managers"]).expect(0);
    let slack = harness.sandbox.world().slack.lock();
    let told = slack.messages_in("#forum-qe-demo");
    assert_eq!(told.len(), 1, "{run:?}");
    assert!(told[0].text.contains("<@U0000LEAD2>: ") && told[0].text.contains("OCPBUGS-60011"), "{told:?}");
}
