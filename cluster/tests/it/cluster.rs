//! Everything together, with stand-ins for the product's processes.

use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use parley_cluster::{Cluster, ClusterConfig, ClusterError, health::http};

use crate::{assert_gone, kill_and_wait, processes};

/// A `parley` that is an NGINX which says who it is.
const STAND_IN: &str = r#"#!/bin/sh
set -e
case "$1" in
migrate) test -n "$PARLEY_STORE_URL" && echo "$PARLEY_LOG_URL" >>migrated; exit 0 ;;
gateway) public="server { listen $PARLEY_LISTEN; location / { add_header X-Upstream $PARLEY_GATEWAY_NAME; return 200 $PARLEY_GATEWAY_NAME; } }" ;;
esac
cat >stand-in.conf <<END
daemon off; master_process off; pid stand-in.pid; error_log stderr;
events {}
http { access_log off; client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e;
$public
server { listen $PARLEY_ADMIN_LISTEN; location = /readyz { return 200; } } }
END
exec nginx -p . -c "$PWD/stand-in.conf" -e stderr
"#;

pub(crate) fn stand_in(folder: &std::path::Path) -> PathBuf {
    let path = folder.join("parley");
    std::fs::write(&path, STAND_IN).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn everything_starts_fails_over_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let config = ClusterConfig { parley_bin: stand_in(folder.path()), ..ClusterConfig::new(folder.path().join("cluster")) };
    let cluster = Cluster::start(config.clone()).await.unwrap();
    assert!(matches!(Cluster::start(config).await, Err(ClusterError::DataFolder { .. })), "the folder is taken");

    let names: Vec<_> = cluster.services().iter().map(|service| service.name()).collect();
    assert_eq!(names, ["kafka-1", "redis", "postgres", "persister-1", "gateway-1", "gateway-2", "nginx"]);
    assert!(std::fs::read_to_string(cluster.data_dir().join("migrate/migrated")).unwrap().contains("/parley.events.v1"));
    assert!(matches!(cluster.kill9("gateway-3"), Err(ClusterError::Unknown { .. })));

    let addr = cluster.web_addr().unwrap();
    cluster.unsupervise("gateway-1").unwrap();
    cluster.kill9("gateway-1").unwrap();
    for _ in 0..20 {
        assert_eq!(http::get(addr, "/api/v1/me").await.unwrap().body, "gateway-2");
    }
    cluster.up("gateway-1").unwrap();
    cluster.wait_ready("gateway-1").await.unwrap();
    kill_and_wait(cluster.service("gateway-2").unwrap()).await;

    let processes = processes(cluster.services());
    cluster.stop().await;
    assert_gone(&processes).await;
}
