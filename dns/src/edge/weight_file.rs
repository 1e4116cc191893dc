//! The weight file of `loadbalance weighted`.

use std::path::PathBuf;

use super::followed_file::{FileKind, FollowedFile};
use crate::plugin::loadbalance::Weights;

/// A weight file has at most 4 MiB.
const KIND: FileKind = FileKind { name: "weight file", max_size: 4 << 20 };

/// Returns a weight file to read and to follow.
pub fn weight_file(path: impl Into<PathBuf>) -> FollowedFile<Weights> {
    FollowedFile::new(KIND, path, |source| {
        let text = String::from_utf8_lossy(source.octets);
        let parsed: Result<Weights, _> = text.parse();
        parsed.map_err(|error| format!("{}, {error}", source.path.display()).into())
    })
}

/// Puts weights that were read in the place of others.
pub fn replace_weights(current: &mut Weights, new: Weights) -> bool {
    *current = new;
    tracing::info!("weight file read");
    true
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tokio::sync::watch;

    use super::*;

    fn weight(weights: &Weights) -> u8 {
        weights.of(&"a.".parse().unwrap(), [10, 0, 0, 1].into())
    }

    #[test]
    fn a_mistake_has_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weights");
        let mut file = weight_file(&path);
        fs::write(&path, "a\n10.0.0.1 3").unwrap();
        assert_eq!(file.read().unwrap().map(|weights| weight(&weights)), Some(3));
        fs::write(&path, "a\n10.0.0.1 0").unwrap();
        let error = file.read().unwrap_err().to_string();
        let expected = format!("weight file {}, line 2: no weight of 1 to 255", path.display());
        assert!(error.starts_with(&expected), "{error}");
    }

    #[tokio::test]
    async fn followers_get_the_new_weights() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weights");
        let (sender, mut weights) = watch::channel(Weights::default());
        let follow = weight_file(&path).follow(Duration::from_millis(1), sender, replace_weights);
        let follow = tokio::spawn(follow);
        fs::write(&path, "a\n10.0.0.1 7").unwrap();
        weights.wait_for(|weights| weight(weights) == 7).await.unwrap();
        drop(weights);
        follow.await.unwrap();
    }
}
