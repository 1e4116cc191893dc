//! What `--help` shows below the flags of a command.

pub(super) const DNS: &str = "\
Examples:
  portolan dns --conf Corefile
  portolan dns --manifests deploy/demo      names of ordinary YAML, on 127.0.0.1:5300";

pub(super) const NETPOL: &str = "\
Examples:
  portolan netpol --node node-1                                 in a pod, by its service account
  portolan netpol --node node-1 --manifests DIR --dry-run       what would change";

pub(super) const STATUS: &str = "\
Examples:
  portolan status
  portolan status --admin 127.0.0.1:9353,127.0.0.1:9354         a DNS server and netpol";

pub(super) const EXPLAIN_DNS: &str = "\
Examples:
  portolan explain dns web.shop.svc.cluster.local AAAA
  portolan explain dns 10.96.0.10 --client 10.244.1.7           a reverse question of a pod";

pub(super) const EXPLAIN_FLOW: &str = "\
Examples:
  portolan explain flow --from shop/web-0 --to shop/db-0 --port 5432/tcp --manifests DIR";
