//! `.env.example`: every setting with what it is for and its default, and what only docker-compose.yml reads.

use std::fmt::Write;

use parley_runtime::env::Setting;

use super::Config;

/// Its default is the number of cores.
const DEPENDS_ON_THE_MACHINE: &str = "PARLEY_SIGN_INS_IN_FLIGHT";

const HEAD: &str = "\
# Every setting of `parley`, and of docker-compose.yml. What is commented out has the default shown (none, where nothing is shown).
# Made by `parley check-config --example`. `make env` makes a .env of it, with random secrets, for docker compose.

# ── docker compose alone reads these ──

# Postgres' password: letters and digits, since it stands in a URL. Postgres takes it over once, when its volume is made.
POSTGRES_PASSWORD=

# Redis' password: letters and digits.
REDIS_PASSWORD=

# Where NGINX can be reached from outside the containers' network: address:port. Nothing else can.
# HTTP_PUBLISH=127.0.0.1:8080

# How many gateways; `docker compose up --scale gateway=N` has the last word.
# GATEWAYS=2

# ── parley ──
# In containers docker-compose.yml itself decides who listens where, where the engines are, names, folders and trusted proxies; it needs PARLEY_TOKEN_KEY.
# Elsewhere one is made at the first start and kept in the data folder.
";

/// Its text.
pub(crate) fn example() -> String {
    let mut text = HEAD.to_owned();
    for Setting { name, default, description } in settings() {
        // Writing into a String can't fail.
        let default = default.filter(|_| name != DEPENDS_ON_THE_MACHINE).unwrap_or_default();
        let _ = write!(text, "\n# {}\n# {name}={default}\n", sentence(description));
    }
    text
}

fn settings() -> Vec<Setting> {
    Config::read(Vec::new(), &[]).1
}

fn sentence(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn committed(file: &str) -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
    }

    #[test]
    fn the_committed_example_is_complete() {
        assert_eq!(committed(".env.example"), example(), "write it anew: parley check-config --example > .env.example");
    }

    #[test]
    fn every_setting_reaches_the_containers() {
        let compose = committed("docker-compose.yml");
        let set: Vec<&str> = compose.lines().filter_map(|line| line.trim_start().split_once(':')).map(|(name, _)| name).collect();
        let missing: Vec<&str> = settings().iter().map(|setting| setting.name).filter(|name| !set.contains(name)).collect();
        assert!(missing.is_empty(), "docker-compose.yml's x-settings lacks {missing:?}");
    }
}
