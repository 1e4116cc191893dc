//! Reads the weight file of `loadbalance weighted`, again and again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::plugin::loadbalance::{Weights, WeightsError};

/// The largest weight file, in octets.
const MAX_SIZE: u64 = 4 << 20;

/// Says why a weight file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightFileError {
    /// It is not readable.
    #[error("cannot read the weight file {}: {source}; check its path and mode", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its text makes no sense.
    #[error("weight file {}, {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WeightsError,
    },
}

/// A weight file and what was last read of it.
#[derive(Debug)]
pub struct WeightFile {
    path: PathBuf,
    text: Option<String>,
}

impl WeightFile {
    /// Returns a file that has not been read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), text: None }
    }

    /// Reads the file; none if its text is that of the last call.
    ///
    /// The text is compared, not the time of the change: a mounted ConfigMap is a link that moves.
    ///
    /// # Errors
    ///
    /// When it cannot be read or makes no sense. A text that makes no sense is reported once.
    pub async fn read(&mut self) -> Result<Option<Weights>, WeightFileError> {
        let read = read_bounded(&self.path).await;
        let text =
            read.map_err(|source| WeightFileError::Read { path: self.path.clone(), source })?;
        if self.text.as_ref() == Some(&text) {
            return Ok(None);
        }
        let parsed = text.parse();
        self.text = Some(text);
        let weights =
            parsed.map_err(|source| WeightFileError::Parse { path: self.path.clone(), source })?;
        Ok(Some(weights))
    }

    /// Reads the file every `interval` and sends what changed; ends when nobody receives any more.
    ///
    /// When the file cannot be used the last weights stay.
    pub async fn follow(mut self, interval: Duration, weights: watch::Sender<Weights>) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = weights.closed() => return,
                _ = ticks.tick() => {}
            }
            match self.read().await {
                Ok(None) => {}
                Ok(Some(new)) => {
                    weights.send_replace(new);
                    tracing::info!(path = %self.path.display(), "weight file read");
                }
                Err(error) => tracing::warn!(%error, "weight file not read; the last weights stay"),
            }
        }
    }
}

async fn read_bounded(path: &Path) -> io::Result<String> {
    let file = tokio::fs::File::open(path).await?;
    let mut text = String::new();
    file.take(MAX_SIZE + 1).read_to_string(&mut text).await?;
    if text.len() as u64 > MAX_SIZE {
        let problem = format!("it is larger than {MAX_SIZE} octets");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn weight(weights: &Weights) -> u8 {
        weights.of(&"a.".parse().unwrap(), [10, 0, 0, 1].into())
    }

    #[tokio::test]
    async fn a_change_is_read_and_a_mistake_reported_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weights");
        let mut file = WeightFile::new(&path);
        assert!(matches!(file.read().await, Err(WeightFileError::Read { .. })));
        fs::write(&path, "a\n10.0.0.1 3").unwrap();
        assert_eq!(file.read().await.unwrap().map(|weights| weight(&weights)), Some(3));
        assert_eq!(file.read().await.unwrap(), None);
        fs::write(&path, "a\n10.0.0.1 0").unwrap();
        let error = file.read().await.unwrap_err().to_string();
        assert!(error.contains("line 2: no weight of 1 to 255"), "{error}");
        assert_eq!(file.read().await.unwrap(), None);
        fs::write(&path, vec![b'#'; 5 << 20]).unwrap();
        assert!(matches!(file.read().await, Err(WeightFileError::Read { .. })));
    }

    #[tokio::test]
    async fn followers_get_the_new_weights() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weights");
        let (sender, mut weights) = watch::channel(Weights::default());
        let follow = WeightFile::new(&path).follow(Duration::from_millis(1), sender);
        let follow = tokio::spawn(follow);
        fs::write(&path, "a\n10.0.0.1 7").unwrap();
        weights.wait_for(|weights| weight(weights) == 7).await.unwrap();
        drop(weights);
        follow.await.unwrap();
    }
}
