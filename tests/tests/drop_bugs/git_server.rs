//! A project of the sandbox as a real bare repository, served by git's own `git http-backend`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A bare repository behind an address. Its thread ends with the test.
pub(crate) struct GitServer {
    folder: TempDir,
    port: u16,
}

/// `git` without the settings of the machine.
pub(crate) fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    git.env("GIT_TERMINAL_PROMPT", "0").env("HOME", folder);
    git
}

/// What a git command prints.
pub(crate) fn output(mut git: Command) -> Vec<u8> {
    let output = git.output().unwrap();
    assert!(output.status.success(), "{git:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl GitServer {
    /// Makes `shipment.git` out of a `git fast-import` stream and serves it.
    pub(crate) fn start(stream: &[u8]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut init = git(folder.path());
        init.args(["init", "--quiet", "--bare", "shipment.git"]);
        output(init);
        let repository = folder.path().join("shipment.git");
        let mut import = git(&repository);
        import.args(["fast-import", "--quiet", "--done"]).stdin(Stdio::piped());
        let mut import = import.spawn().unwrap();
        import.stdin.take().unwrap().write_all(stream).unwrap();
        assert!(import.wait().unwrap().success());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let root = folder.path().to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let root = root.clone();
                // A client that goes away ends its own connection only.
                std::thread::spawn(move || stream.map(|stream| serve(&stream, &root)));
            }
        });
        Self { folder, port }
    }

    /// Clones one branch and answers the folder.
    pub(crate) fn clone_branch(&self, branch: &str) -> PathBuf {
        let mut clone = git(self.folder.path());
        let address = format!("http://127.0.0.1:{}/shipment.git", self.port);
        clone.args(["clone", "--quiet", "--branch", branch, &address, "clone"]);
        output(clone);
        self.folder.path().join("clone")
    }
}

/// One request to `git http-backend`, by the rules of CGI.
fn serve(mut stream: &TcpStream, root: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut backend = git(root);
    backend.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "content-type" => {
                backend.env("CONTENT_TYPE", value);
            }
            "content-encoding" => {
                backend.env("HTTP_CONTENT_ENCODING", value);
            }
            "git-protocol" => {
                backend.env("HTTP_GIT_PROTOCOL", value);
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    backend.env("CONTENT_LENGTH", length.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut backend = backend.spawn()?;
    if let Some(mut input) = backend.stdin.take() {
        input.write_all(&body)?;
    }
    let answer = backend.wait_with_output()?.stdout;
    let status = answer
        .split(|byte| *byte == b'\n')
        .take_while(|line| !line.trim_ascii().is_empty())
        .find_map(|line| std::str::from_utf8(line).ok()?.strip_prefix("Status: ").map(str::to_owned));
    write!(stream, "HTTP/1.0 {}\r\n", status.as_deref().unwrap_or("200 OK").trim())?;
    stream.write_all(&answer)
}
