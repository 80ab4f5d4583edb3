//! What the server is told: its options and the callers in the configuration document.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use cli_support::CliError;
use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use jiff::civil::Date;
use oar_core::config::McpCaller;
use oar_core::error::ErrorClass;
use url::{Host, Url};

use crate::caller::{AccessScope, Caller};
use crate::tools::{Profile, Switches};

/// The time limit of one call.
pub const TIME_LIMIT: Duration = Duration::from_mins(10);

/// The options of the command line.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// The address at which the TLS proxy in front of the server is reached, without a path.
    pub public_url: Option<Url>,
    /// Further names in `Host`, each with or without a port.
    pub hosts: Vec<String>,
    /// The origins of browsers that may call: `scheme://host`, `scheme://host:port` or `scheme://host:*`.
    pub origins: Vec<String>,
    /// Whether only tools that change nothing are offered.
    pub read_only: bool,
    /// The only tools that are offered; `None` for all.
    pub tools: Option<BTreeSet<String>>,
    /// Whether the tools that run any command are offered.
    pub generic: bool,
    /// The time limit of one call.
    pub time_limit: Duration,
    /// Whether tools that start test jobs, which cost money, ask for consent.
    pub paid_jobs_ask: bool,
    /// The header in which a proxy in front names the person who looks at the dashboard.
    pub user_header: Option<String>,
    /// The addresses of the proxies whose `user_header` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// The limits of the transport.
    pub limits: Limits,
}

/// A proxy in front that signs people in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The header in which it names the person.
    pub header: HeaderName,
    /// The addresses from which that header is believed.
    pub proxies: Vec<IpAddr>,
}

/// The limits of the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one caller that run at the same time.
    pub calls: usize,
    /// Requests of one caller that wait for their turn.
    pub queue: usize,
    /// How long a request waits for its turn.
    pub queue_time: Duration,
    /// Requests of one caller in a minute, which may come at once.
    pub requests_per_minute: NonZeroU32,
    /// Open sessions of one caller; also its open streams of notifications.
    pub sessions: usize,
    /// Open sessions of all callers.
    pub all_sessions: usize,
    /// How long a session without any message stays open. It must be longer than the longest call, because the end of
    /// a session ends its calls.
    pub session_time: Duration,
    /// Open connections.
    pub connections: usize,
    /// The largest body of a request, in bytes.
    pub body: usize,
    /// The largest head of a request, in bytes.
    pub head: usize,
    /// How long the head of a request may take, from its first byte or from the opening of the connection.
    pub head_time: Duration,
    /// How long the body of a request may take.
    pub body_time: Duration,
    /// How long a connection may stay open between two requests.
    pub idle_time: Duration,
    /// How long calls that run may take to end when the server stops.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 8,
            queue: 16,
            queue_time: Duration::from_secs(30),
            requests_per_minute: NonZeroU32::MIN.saturating_add(599),
            sessions: 32,
            all_sessions: 256,
            session_time: Duration::from_hours(2),
            // Each open page of the dashboard has one.
            connections: 640,
            body: 1024 * 1024,
            head: 32 * 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            drain_time: Duration::from_secs(25),
        }
    }
}

/// A token, of which only the hash is known, and whose it is.
#[derive(Debug, Clone)]
pub struct TokenOf {
    /// The SHA-256 of the token.
    pub hash: [u8; 32],
    /// The last day (UTC) on which the token is accepted.
    pub expires: Option<Date>,
    /// The caller.
    pub caller: Arc<Caller>,
}

/// An origin (RFC 6454) that may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedOrigin {
    scheme: String,
    host: String,
    /// `None` for any.
    port: Option<u16>,
}

impl AllowedOrigin {
    fn parse(text: &str) -> Result<Self, String> {
        let (text, any_port) = match text.strip_suffix(":*") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no host")?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !matches!(url.scheme(), "http" | "https")
            || !is_bare
            || has_credentials(&url)
            || text.ends_with('/')
        {
            return Err("an origin is `https://host`, `https://host:port` or `https://host:*`".to_owned());
        }
        let port = if any_port { None } else { url.port_or_known_default() };
        Ok(Self { scheme: url.scheme().to_owned(), host: host.to_owned(), port })
    }

    /// Whether the value of a request's `Origin` is this one.
    pub fn matches(&self, origin: &str) -> bool {
        Url::parse(origin).is_ok_and(|url| {
            url.scheme() == self.scheme
                && url.host_str() == Some(&self.host)
                && (self.port.is_none() || url.port_or_known_default() == self.port)
        })
    }
}

impl fmt::Display for AllowedOrigin {
    /// As the protocol library reads it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}:", self.scheme, self.host)?;
        match self.port {
            Some(port) => write!(formatter, "{port}"),
            None => formatter.write_str("*"),
        }
    }
}

/// What the server is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// The address of the TLS proxy in front of the server.
    pub public_url: Option<Url>,
    /// The accepted names in `Host`.
    pub hosts: Vec<String>,
    /// The accepted values of `Origin`; without one, a request that has `Origin` is refused.
    pub origins: Vec<AllowedOrigin>,
    /// The tokens; without one, everybody is `anonymous`.
    pub callers: Vec<TokenOf>,
    /// What the server as a whole offers.
    pub switches: Switches,
    /// The limits of the transport.
    pub limits: Limits,
    /// The time limit of one call.
    pub time_limit: Duration,
    /// Whether tools that start test jobs, which cost money, ask for consent.
    pub paid_jobs_ask: bool,
    /// The proxy that signs people in, for the dashboard alone.
    pub sign_in: Option<SignIn>,
    /// Who calls without a token, on the loopback interface and without configured callers only.
    pub anonymous: Option<Arc<Caller>>,
}

impl Settings {
    /// The settings of `options` and of the callers in the configuration document. `is_tool` says whether a tool of
    /// that name exists.
    ///
    /// # Errors
    ///
    /// A value cannot be used, or the server would be open to people without a token or over an unencrypted network.
    pub fn new(
        options: &ServerOptions,
        callers: &[McpCaller],
        is_tool: impl Fn(&str) -> bool,
    ) -> Result<Self, CliError> {
        let is_local = options.listen.ip().is_loopback();
        if let Some(url) = &options.public_url {
            check_public_url(url)?;
        }
        check_exposure(options, is_local, callers.is_empty())?;
        check_time_limit(options)?;
        for name in options.tools.iter().flatten() {
            check_tool(name, "--tool", &is_tool)?;
        }
        let callers =
            callers.iter().map(|caller| token_of(caller, &is_tool)).collect::<Result<Vec<_>, _>>()?;
        check_distinct(&callers)?;
        let anonymous = callers.is_empty().then(|| Arc::new(Caller::local()));
        let switches =
            Switches { read_only: options.read_only, only: options.tools.clone(), generic: options.generic };
        Ok(Self {
            listen: options.listen,
            public_url: options.public_url.clone(),
            hosts: hosts(options, is_local)?,
            origins: origins(options)?,
            callers,
            switches,
            limits: options.limits.clone(),
            time_limit: options.time_limit,
            paid_jobs_ask: options.paid_jobs_ask,
            sign_in: sign_in(options)?,
            anonymous,
        })
    }

    /// The address of a path of the server, as callers reach it; `listening` is the address that the server listens at.
    pub fn address_of(&self, path: &str, listening: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => format!("{}{path}", url.as_str().trim_end_matches('/')),
            None => format!("http://{listening}{path}"),
        }
    }
}

fn refused(message: impl Into<String>, hint: impl Into<String>) -> CliError {
    CliError::new(ErrorClass::Configuration, message).with_hint(hint)
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn check_public_url(url: &Url) -> Result<(), CliError> {
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if url.scheme() == "https" && url.has_host() && is_bare && !has_credentials(url) {
        return Ok(());
    }
    // Without its credentials, if it has any.
    let host = url.host_str().unwrap_or("without a host");
    Err(refused(
        format!("the public address ({}, {host}) cannot be used", url.scheme()),
        "Give the https address of the TLS proxy, without a path: --public-url https://mcp.example.com",
    ))
}

fn check_exposure(options: &ServerOptions, is_local: bool, is_anonymous: bool) -> Result<(), CliError> {
    if is_local && !(is_anonymous && options.public_url.is_some()) {
        return Ok(());
    }
    let address = options.listen;
    if is_anonymous {
        return Err(refused(
            format!("the server would be reached from outside at {address} without a token"),
            "Add callers with tokens to the section `mcp` of the configuration document, or listen at 127.0.0.1 without \
             --public-url.",
        ));
    }
    if options.public_url.is_none() {
        return Err(refused(
            format!("the server would send tokens unencrypted at {address}"),
            "Put a TLS proxy before it and name that with --public-url https://…, or listen at 127.0.0.1.",
        ));
    }
    Ok(())
}

fn check_time_limit(options: &ServerOptions) -> Result<(), CliError> {
    if !options.time_limit.is_zero() && options.time_limit < options.limits.session_time {
        return Ok(());
    }
    Err(refused(
        format!("a time limit of {} s per call cannot be used", options.time_limit.as_secs()),
        format!(
            "Give one below the {} s after which a silent session ends.",
            options.limits.session_time.as_secs()
        ),
    ))
}

fn check_tool(name: &str, place: &str, is_tool: &impl Fn(&str) -> bool) -> Result<(), CliError> {
    if is_tool(name) {
        return Ok(());
    }
    Err(refused(
        format!("{place} names the tool `{}`, which does not exist", name.escape_debug()),
        "The documentation of the server lists the tools.",
    ))
}

fn sign_in(options: &ServerOptions) -> Result<Option<SignIn>, CliError> {
    let hint = "Give both: --user-header X-Forwarded-User --trusted-proxy 10.1.2.3";
    match (&options.user_header, options.trusted_proxies.as_slice()) {
        (None, []) => Ok(None),
        (None, _) => {
            Err(refused("a trusted proxy is named, and not the header in which it names people", hint))
        }
        (Some(_), []) => Err(refused("a header with the names of people is believed from nobody", hint)),
        (Some(name), proxies) => {
            let header = name.parse::<HeaderName>().ok();
            // What browsers and proxies send anyway names nobody.
            let header = header.filter(|header| ![HOST, ORIGIN, COOKIE, AUTHORIZATION].contains(header));
            let header = header.ok_or_else(|| {
                refused(format!("`{}` is no header that can name people", name.escape_debug()), hint)
            })?;
            Ok(Some(SignIn { header, proxies: proxies.to_vec() }))
        }
    }
}

fn hosts(options: &ServerOptions, is_local: bool) -> Result<Vec<String>, CliError> {
    let mut hosts: Vec<String> = Vec::new();
    if is_local {
        hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        let own = options.listen.ip().to_string();
        if !hosts.contains(&own) {
            hosts.push(own);
        }
    }
    if let Some(url) = &options.public_url {
        hosts.extend(url.host_str().map(str::to_owned));
    }
    for host in &options.hosts {
        // A name, or a name and a port.
        let is_name = Host::parse(host).is_ok();
        let with_port =
            host.parse::<http::uri::Authority>().is_ok_and(|authority| authority.port_u16().is_some());
        if !(is_name || with_port) || host.contains('@') {
            return Err(refused(
                format!("`{}` is no name of a host", host.escape_debug()),
                "Give the names that the proxy sends in `Host`, each with or without a port: --host mcp.example.com",
            ));
        }
        hosts.push(host.clone());
    }
    Ok(hosts)
}

fn origins(options: &ServerOptions) -> Result<Vec<AllowedOrigin>, CliError> {
    let parsed = options.origins.iter().map(|origin| {
        AllowedOrigin::parse(origin).map_err(|why| {
            refused(
                format!("`{}` is no origin: {why}", origin.escape_debug()),
                "Give the origins of the pages that may call: --origin https://tools.example.com",
            )
        })
    });
    parsed.collect()
}

fn token_of(caller: &McpCaller, is_tool: &impl Fn(&str) -> bool) -> Result<TokenOf, CliError> {
    let place = format!(
        "the caller `{}` in the section `mcp` of the configuration document",
        caller.name.escape_debug()
    );
    let wrong = |what: String, hint: &str| refused(format!("{place}: {what}"), hint);
    if caller.name.is_empty() || caller.name == Caller::LOCAL {
        return Err(wrong("this name is reserved".to_owned(), "Give each caller a name of its own."));
    }
    let hash = hash_of_hex(&caller.token_sha256).ok_or_else(|| {
        wrong(
            "`token_sha256` is no SHA-256".to_owned(),
            "It has 64 hexadecimal digits: printf %s \"$TOKEN\" | sha256sum",
        )
    })?;
    let scopes = caller.scopes.iter().map(|name| {
        AccessScope::of_name(name).ok_or_else(|| {
            let known = AccessScope::ALL.map(AccessScope::name).join(", ");
            wrong(
                format!("the scope `{}` does not exist", name.escape_debug()),
                &format!("The scopes are {known}."),
            )
        })
    });
    let scopes = scopes.collect::<Result<BTreeSet<_>, _>>()?;
    let profile: Profile = caller.profile.parse().map_err(|why| {
        wrong(
            format!("its profile cannot be used: {why}"),
            "Give `reference`, `daily`, `engine`, or names of tools with commas.",
        )
    })?;
    let named = match &profile {
        Profile::Only(names) => names.iter().collect::<Vec<_>>(),
        Profile::Reference | Profile::Daily | Profile::Engine => Vec::new(),
    };
    for name in named.into_iter().chain(&caller.standing_consent) {
        check_tool(name, &place, is_tool)?;
    }
    let caller_of_token = Caller {
        name: caller.name.clone(),
        scopes,
        profile,
        standing_consent: caller.standing_consent.iter().cloned().collect(),
        may_elicit: caller.elicitation,
    };
    Ok(TokenOf { hash, expires: caller.expires, caller: Arc::new(caller_of_token) })
}

fn hash_of_hex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// Each caller has a name and a token of its own: histories name callers, and a session belongs to one.
fn check_distinct(callers: &[TokenOf]) -> Result<(), CliError> {
    let mut names = BTreeSet::new();
    let mut hashes = BTreeSet::new();
    for TokenOf { hash, caller, .. } in callers {
        if !names.insert(&caller.name) || !hashes.insert(hash) {
            return Err(refused(
                format!(
                    "the caller `{}` has the name or the token of another one",
                    caller.name.escape_debug()
                ),
                "Give each caller in the section `mcp` of the configuration document a name and a token of its own.",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use cli_support::ExitCode;
    use sha2::{Digest, Sha256};

    use super::*;

    /// The options of a server on any port of the loopback interface.
    pub(crate) fn local_options() -> ServerOptions {
        ServerOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            public_url: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            read_only: false,
            tools: None,
            generic: false,
            time_limit: TIME_LIMIT,
            paid_jobs_ask: false,
            user_header: None,
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// The caller `name` with `token`.
    pub(crate) fn configured(name: &str, token: &str, scopes: &[&str]) -> McpCaller {
        let digest = Sha256::digest(token);
        McpCaller {
            name: name.to_owned(),
            token_sha256: format!("{digest:x}"),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            profile: "daily".to_owned(),
            standing_consent: Vec::new(),
            elicitation: false,
            expires: None,
        }
    }

    fn settings(options: &ServerOptions, callers: &[McpCaller]) -> Result<Settings, CliError> {
        Settings::new(options, callers, |name| name == "oar_drop_bugs")
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn ci() -> McpCaller {
        configured("ci", "t-1", &["release:read"])
    }

    #[test]
    fn only_the_loopback_interface_goes_without_callers() {
        let local = settings(&local_options(), &[]).unwrap();
        assert_eq!(local.anonymous.unwrap().name, "local");
        let with_callers = settings(&local_options(), &[ci()]).unwrap();
        assert!(with_callers.anonymous.is_none());

        let open = ServerOptions { listen: "0.0.0.0:8000".parse().unwrap(), ..local_options() };
        let proxied = ServerOptions { public_url: Some(url("https://mcp.example.com")), ..open.clone() };
        let local_proxied =
            ServerOptions { public_url: Some(url("https://mcp.example.com")), ..local_options() };
        for (options, callers) in [
            (&open, vec![]),
            (&open, vec![ci()]),
            (&proxied, vec![]),
            // Everybody who reaches the proxy would be `local`.
            (&local_proxied, vec![]),
        ] {
            let error = settings(options, &callers).unwrap_err();
            assert_eq!(error.code, ExitCode::Configuration);
            assert!(error.hint.is_some());
        }
        for options in [&proxied, &local_proxied] {
            assert!(settings(options, &[ci()]).unwrap().anonymous.is_none());
        }
    }

    #[test]
    fn the_public_address_is_https_and_bare() {
        for bad in [
            "http://mcp.example.com",
            "https://mcp.example.com/tools",
            "https://user:secret-word@mcp.example.com",
            "https://mcp.example.com/?a=b",
            "data:text/plain,x",
        ] {
            let options = ServerOptions { public_url: Some(url(bad)), ..local_options() };
            let error = settings(&options, &[ci()]).unwrap_err();
            assert_eq!(error.code, ExitCode::Configuration, "{bad}");
            assert!(!error.message.contains("secret-word"), "{}", error.message);
        }
    }

    #[test]
    fn hosts_are_those_of_the_loopback_interface_or_of_the_proxy() {
        let local = settings(&local_options(), &[]).unwrap();
        assert_eq!(local.hosts, ["localhost", "127.0.0.1", "::1"]);
        let options = ServerOptions {
            listen: "10.0.0.1:80".parse().unwrap(),
            public_url: Some(url("https://mcp.example.com")),
            hosts: vec!["mcp.internal:8443".into()],
            ..local_options()
        };
        let proxied = settings(&options, &[ci()]).unwrap();
        assert_eq!(proxied.hosts, ["mcp.example.com", "mcp.internal:8443"]);
        for bad in ["", "a b", "https://x", "user@host", "a/b"] {
            let options = ServerOptions { hosts: vec![bad.into()], ..local_options() };
            assert!(settings(&options, &[]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn origins_have_a_scheme_a_host_and_a_port() {
        let origins = ["https://a.example", "http://b.example:8080", "http://localhost:*"];
        let options =
            ServerOptions { origins: origins.iter().map(|&text| text.into()).collect(), ..local_options() };
        let allowed = settings(&options, &[]).unwrap().origins;
        let shown: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["https://a.example:443", "http://b.example:8080", "http://localhost:*"]);
        let passes = |origin: &str| allowed.iter().any(|allowed| allowed.matches(origin));
        for good in
            ["https://a.example", "https://A.example:443", "http://b.example:8080", "http://localhost:6274"]
        {
            assert!(passes(good), "{good}");
        }
        for bad in [
            "null",
            "",
            "http://a.example",
            "https://a.example:444",
            "http://b.example",
            "https://a.example.evil",
            "https://evil.a.example",
            "https://localhost",
        ] {
            assert!(!passes(bad), "{bad}");
        }
        for bad in
            ["a.example", "null", "*", "ftp://a", "https://a/", "https://a/b", "https://u:p@a", "https://"]
        {
            let options = ServerOptions { origins: vec![bad.into()], ..local_options() };
            assert!(settings(&options, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn callers_that_cannot_be_understood_are_refused() {
        let bad = [
            McpCaller { token_sha256: "abc".into(), ..ci() },
            McpCaller { token_sha256: "g".repeat(64), ..ci() },
            McpCaller { scopes: vec!["release:all".into()], ..ci() },
            McpCaller { profile: String::new(), ..ci() },
            McpCaller { profile: "no_such_tool".into(), ..ci() },
            McpCaller { standing_consent: vec!["no_such_tool".into()], ..ci() },
            McpCaller { name: "local".into(), ..ci() },
            McpCaller { name: String::new(), ..ci() },
        ];
        for caller in bad {
            let error = settings(&local_options(), std::slice::from_ref(&caller)).unwrap_err();
            assert_eq!(error.code, ExitCode::Configuration, "{caller:?}");
        }
        for (name, token) in [("ci", "t-2"), ("bot", "t-1")] {
            let twins = [ci(), configured(name, token, &[])];
            assert!(settings(&local_options(), &twins).is_err(), "{name}");
        }
        let good = McpCaller { standing_consent: vec!["oar_drop_bugs".into()], ..ci() };
        let settings = settings(&local_options(), &[good]).unwrap();
        let caller = &settings.callers[0].caller;
        assert!(caller.may(AccessScope::Read) && !caller.may(AccessScope::Write));
        assert!(caller.standing_consent.contains("oar_drop_bugs"));
    }

    #[test]
    fn unknown_tools_and_endless_calls_are_refused() {
        let tools = |name: &str| Some(BTreeSet::from([name.to_owned()]));
        assert!(settings(&ServerOptions { tools: tools("oar_drop_bugs"), ..local_options() }, &[]).is_ok());
        assert!(settings(&ServerOptions { tools: tools("oar_drop_bug"), ..local_options() }, &[]).is_err());
        for time_limit in [Duration::ZERO, Duration::from_hours(2)] {
            assert!(settings(&ServerOptions { time_limit, ..local_options() }, &[]).is_err());
        }
    }
}
