//! Kubeconfig files (kubernetes.io, "Organizing Cluster Access Using kubeconfig Files").

pub mod read;
pub mod write;

/// How a kubeconfig says who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// `token`, in the file itself.
    Token,
    /// `tokenFile`, a file that [`crate::front::Front::rotate_token`] rewrites.
    TokenFile,
    /// `client-certificate-data` and `client-key-data`.
    ClientCertificate,
    /// `exec` with a plugin of `client.authentication.k8s.io/v1` (kubectl 1.22 and later).
    Exec,
}
