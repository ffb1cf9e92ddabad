//! `chinwag laravel-env`: what a Laravel application's `.env` says to publish through this server.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, bail};

use crate::config::Config;
use crate::secrets::Secrets;

/// The public address of the server.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    scheme: &'static str,
    host: String,
    port: u16,
}

/// The block, for the configured application.
///
/// # Errors
/// When the address cannot be understood, or the generated secrets cannot be read.
pub(crate) fn block(config: &Config, url: Option<&str>) -> anyhow::Result<String> {
    let address = match url {
        Some(url) => parse(url)?,
        None => configured(config),
    };
    let (key, secret) = match &config.app_keys {
        Some(keys) => keys.clone(),
        None => {
            fs::create_dir_all(&config.data_dir)
                .with_context(|| format!("creating the data folder {}", config.data_dir.display()))?;
            let secrets = Secrets::load(&config.data_dir)?;
            (secrets.app_key, secrets.app_secret)
        }
    };
    Ok(write(&config.app_id, &key, &secret, &config.path, &address))
}

fn configured(config: &Config) -> Address {
    let host = match config.listen.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    Address {
        scheme: if config.tls.is_some() { "https" } else { "http" },
        host,
        port: config.listen.port(),
    }
}

fn parse(url: &str) -> anyhow::Result<Address> {
    let Some((scheme, rest)) = url.split_once("://") else {
        bail!("{url}: a URL is wanted, such as https://chat.example.org");
    };
    let (scheme, usual) = match scheme {
        "https" => ("https", 443),
        "http" => ("http", 80),
        _ => bail!("{url}: http or https is wanted"),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (
            host,
            port.parse()
                .with_context(|| format!("{url}: the port is no number"))?,
        ),
        _ => (authority, usual),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    if host.is_empty() || !host.bytes().all(plain) {
        bail!("{url}: a host is wanted, and nothing behind it");
    }
    Ok(Address {
        scheme,
        host: host.to_owned(),
        port,
    })
}

fn write(id: &str, key: &str, secret: &str, path: &str, address: &Address) -> String {
    let Address { scheme, host, port } = address;
    let mut text = String::from("BROADCAST_CONNECTION=reverb\n\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}={}", quote(value));
    };
    line("REVERB_APP_ID", id);
    line("REVERB_APP_KEY", key);
    line("REVERB_APP_SECRET", secret);
    line("REVERB_HOST", host);
    line("REVERB_PORT", &port.to_string());
    line("REVERB_SCHEME", scheme);
    if !path.is_empty() {
        line("REVERB_SERVER_PATH", path);
    }
    text.push('\n');
    for name in ["APP_KEY", "HOST", "PORT", "SCHEME"] {
        let _ = writeln!(text, "VITE_REVERB_{name}=\"${{REVERB_{name}}}\"");
    }
    text.push_str("\n# With the driver for Pusher instead:\n# BROADCAST_CONNECTION=pusher\n");
    for name in ["APP_ID", "APP_KEY", "APP_SECRET", "HOST", "PORT", "SCHEME"] {
        let _ = writeln!(text, "# PUSHER_{name}=\"${{REVERB_{name}}}\"");
    }
    text.push_str("# PUSHER_APP_CLUSTER=mt1\n");
    for name in ["APP_KEY", "HOST", "PORT", "SCHEME"] {
        let _ = writeln!(text, "# VITE_PUSHER_{name}=\"${{PUSHER_{name}}}\"");
    }
    text.push_str("# VITE_PUSHER_APP_CLUSTER=\"${PUSHER_APP_CLUSTER}\"\n");
    text
}

/// As it is when it is plain, else in quotes in which nothing is replaced.
fn quote(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/:[]".contains(&b);
    if value.bytes().all(plain) {
        value.to_owned()
    } else {
        let inner = value
            .replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace('$', r"\$");
        format!("\"{inner}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_a_host_and_a_port() {
        let check = |url: &str, expected: Option<(&'static str, &str, u16)>| {
            let expected = expected.map(|(scheme, host, port)| Address {
                scheme,
                host: host.to_owned(),
                port,
            });
            assert_eq!(parse(url).ok(), expected, "{url}");
        };
        check(
            "https://chat.example.org",
            Some(("https", "chat.example.org", 443)),
        );
        check(
            "https://chat.example.org/",
            Some(("https", "chat.example.org", 443)),
        );
        check("http://127.0.0.1:8080", Some(("http", "127.0.0.1", 8080)));
        check("http://[::1]:8080", Some(("http", "[::1]", 8080)));
        check("http://[::1]", Some(("http", "[::1]", 80)));
        for bad in [
            "chat.example.org",
            "ftp://x",
            "https://",
            "https://x/y",
            "https://x:y",
            "https://x\nY=1",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn the_block_names_everything_once() {
        let address = Address {
            scheme: "https",
            host: "chat.test".to_owned(),
            port: 443,
        };
        let text = write("7", "k", "s $\"#", "/ws", &address);
        let wanted = [
            "BROADCAST_CONNECTION=reverb",
            "REVERB_APP_ID=7",
            "REVERB_APP_KEY=k",
            r##"REVERB_APP_SECRET="s \$\"#""##,
            "REVERB_HOST=chat.test",
            "REVERB_PORT=443",
            "REVERB_SCHEME=https",
            "REVERB_SERVER_PATH=/ws",
            "VITE_REVERB_APP_KEY=\"${REVERB_APP_KEY}\"",
            "# PUSHER_APP_ID=\"${REVERB_APP_ID}\"",
            "# PUSHER_APP_CLUSTER=mt1",
        ];
        for line in wanted {
            assert_eq!(
                text.lines().filter(|one| *one == line).count(),
                1,
                "{line} in\n{text}"
            );
        }
    }
}
