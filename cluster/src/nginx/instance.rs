//! What differs between one NGINX and the next: the files of `instance/`.

use std::{fmt::Write, net::SocketAddr, path::Path};

use super::NginxConfig;

/// The process. Logs and folders are relative to its own prefix.
pub(super) fn main() -> String {
    // The checkout with the web app may lie where nobody but root can read; on a server this would be another user.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    format!("{user}daemon off;\npid nginx.pid;\nerror_log stderr error;\nworker_processes 2;\n")
}

/// Folders for what doesn't fit into memory, and the proxies that are believed.
pub(super) fn http(trusted_proxies: &[String]) -> String {
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|of| format!("{of}_temp_path temp/{of};\n"));
    let trusted = trusted_proxies.iter().map(|network| format!("set_real_ip_from {network};\n"));
    folders.chain(trusted).collect()
}

/// The servers of both upstreams: for requests, and for sockets.
pub(super) fn gateways(gateways: &[SocketAddr]) -> [(&'static str, String); 2] {
    [("gateways.conf", servers(gateways, "max_fails=1 fail_timeout=1s")), ("socket-gateways.conf", servers(gateways, "max_fails=0"))]
}

fn servers(gateways: &[SocketAddr], parameters: &str) -> String {
    let mut text = String::new();
    for gateway in gateways {
        // Writing into a String can't fail.
        let _ = writeln!(text, "server {gateway} {parameters};");
    }
    if text.is_empty() {
        // An upstream without servers is refused at the start; one that is down answers 503.
        text.push_str("server 127.0.0.1:9 down;\n");
    }
    text
}

/// Port and folder of the web app.
pub(super) fn server(listen: SocketAddr, web_dir: &Path) -> String {
    format!("listen {listen};\nroot \"{}\";\n", web_dir.display())
}

/// All of them, by name.
pub(super) fn files(config: &NginxConfig, listen: SocketAddr, web_dir: &Path) -> impl Iterator<Item = (&'static str, String)> {
    let own = [("main.conf", main()), ("http.conf", http(&config.trusted_proxies)), ("server.conf", server(listen, web_dir))];
    own.into_iter().chain(gateways(&config.gateways))
}
