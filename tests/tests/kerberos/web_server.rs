//! Apache with `mod_auth_gssapi` in front of the sandbox's Errata Tool.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::realm::Realm;
use crate::server::{Server, free_port, program};

const MODULES: [&str; 8] =
    ["mpm_event", "authn_core", "authz_core", "authz_user", "auth_gssapi", "headers", "proxy", "proxy_http"];

pub(crate) struct WebServer {
    port: u16,
    folder: PathBuf,
    _apache: Server,
}

impl WebServer {
    /// `/` accepts tickets for `HTTP/localhost`; `/outdated/` has only an old key of it. Both lead to `errata`.
    pub(crate) fn start(realm: &Realm, errata: &str) -> Self {
        let modules = Path::new("/usr/lib/apache2/modules");
        assert!(
            modules.join("mod_auth_gssapi.so").is_file(),
            "mod_auth_gssapi (Debian package libapache2-mod-auth-gssapi) is missing: run `make deps`"
        );
        let port = free_port();
        let folder = realm.folder().to_owned();
        let at = folder.display();
        let mut lines = vec![format!(
            "ServerRoot {at}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {at}/apache.pid\n\
             ErrorLog {at}/apache.log\nLogLevel warn auth_gssapi:debug\nMutex file:{at}\nDefaultRuntimeDir {at}\n\
             LogFormat \"%>s %m %U %u\" short\nCustomLog {at}/access.log short"
        )];
        for module in MODULES {
            lines.push(format!("LoadModule {module}_module {}/mod_{module}.so", modules.display()));
        }
        if rustix::process::geteuid().is_root() {
            lines.push("User www-data\nGroup www-data".to_owned());
        }
        for (path, keytab) in [("/", "http.keytab"), ("/outdated/", "outdated.keytab")] {
            lines.push(format!(
                "<Location {path}>\nAuthType GSSAPI\nAuthName Errata\nGssapiCredStore keytab:{at}/{keytab}\n\
                 GssapiAllowedMech krb5\nGssapiSSLonly Off\nRequire valid-user\n\
                 RequestHeader set X-Remote-User \"expr=%{{REMOTE_USER}}\"\n</Location>"
            ));
        }
        for path in ["/outdated/", "/"] {
            lines.push(format!("ProxyPass {path} {errata}/"));
        }
        let configuration = folder.join("apache.conf");
        std::fs::write(&configuration, lines.join("\n") + "\n").unwrap();
        let mut apache = Command::new(program("apache2", "apache2"));
        apache.arg("-DFOREGROUND").arg("-f").arg(&configuration).env("KRB5_CONFIG", realm.configuration());
        let apache = Server::start(&mut apache, port, &folder.join("apache.log"));
        Self { port, folder, _apache: apache }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The same server under a name that the realm has no service for.
    pub(crate) fn url_unknown_to_the_realm(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The server with the outdated key.
    pub(crate) fn outdated_url(&self) -> String {
        format!("{}/outdated", self.url())
    }

    /// What was asked, as `200 GET /path bot@EXAMPLE.TEST`.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("access.log")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// What Apache says about the cases, for a failed assertion.
    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.join("apache.log")).unwrap_or_default()
    }
}
