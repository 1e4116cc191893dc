//! The name of the host.

use nix::sys::utsname::uname;

/// Returns the name of the host, in a container usually that of the pod; `localhost` when it has none.
pub fn hostname() -> String {
    let name = uname().ok().map(|names| names.nodename().to_string_lossy().into_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_kernel_says() {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(hostname(), kernel.trim());
    }
}
