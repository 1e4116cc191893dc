//! A network's store that is open for a verb, with what is around it: host-local's directory and the witnesses.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use cni::{Attachment, Config, NetworkName};

use crate::address::{Family, number};
use crate::config::{IpamConfig, Placement, QUARANTINE};
use crate::edge::host_local::{Directory, Imported, holder};
use crate::edge::settings::Settings;
use crate::edge::site::Site;
use crate::edge::store::{Store, Wish};
use crate::edge::witness::Witnesses;
use crate::failure::Failure;
use crate::gc::Verdict;
use crate::host_local::{ANY_INTERFACE, Entry};
use crate::lease::{Lease, Millis};
use crate::range::Span;
use crate::table::Found;

/// The store of a network, open for a verb.
pub struct Session<'a> {
    /// The store.
    pub store: Store,
    site: &'a Site,
    network: &'a NetworkName,
    placement: &'a Placement,
    quarantine: Duration,
}

/// How far a sweep goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// No address is left: all leases are looked at.
    Exhausted,
    /// Few addresses are left: this many leases are looked at, the next ones next time.
    Scarce(u32),
}

/// Tells whether two paths are one directory, also by way of links.
fn is_same_directory(one: &Path, other: &Path) -> bool {
    if one == other {
        return true;
    }
    let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) else { return false };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Returns how long a freed address is left alone: as the configuration says, or as the last good one said.
pub(super) fn quarantine_of(config: &Config, directory: &Path) -> Duration {
    let before = || {
        Settings::read(directory).map_or(QUARANTINE, |settings| Duration::from_secs(settings.rest))
    };
    IpamConfig::parse(config).map_or_else(|_| before(), |config| config.rest())
}

impl<'a> Session<'a> {
    /// Opens the store of a network, and imports the leases of host-local if that was not done.
    ///
    /// # Errors
    /// As [`Store::open`], or host-local's directory cannot be read.
    pub fn open(
        site: &'a Site,
        network: &'a NetworkName,
        placement: &'a Placement,
        ranges: &[(Family, Span)],
        is_durable: Option<bool>,
    ) -> Result<Self, Failure> {
        let wish = Wish { boot: site.boot()?, is_durable, ranges, wait: site.lock_wait };
        let directory = site.store_of(network, placement);
        if is_same_directory(&directory, &placement.data_dir.join(network.as_str())) {
            let problem = format!(
                "ipam.storeDir and ipam.dataDir make one directory, {}",
                directory.display()
            );
            return Err(Failure::config(problem, "give the store a directory of its own"));
        }
        let store = Store::open(&directory, &wish)?;
        let mut session = Self { store, site, network, placement, quarantine: QUARANTINE };
        session.import()?;
        Ok(session)
    }

    /// Writes the settings of the configuration beside the store, if others are there, and follows them.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn with_settings(mut self, rest: Duration) -> Result<Self, Failure> {
        self.quarantine = rest;
        let settings = Settings::new(self.placement, rest);
        if self.store.table().header().settings != settings.checksum() {
            if settings.keep_host_local {
                self.write_all_files()?;
            }
            settings.write(self.store.directory())?;
            let mut table = self.store.table();
            table.set_settings(settings.checksum());
            let changes = table.into_changes();
            self.store.commit(changes)?.finished()?;
        }
        Ok(self)
    }

    /// Writes host-local's files of all held leases: it has to know those that were given out before it was kept in step.
    /// Where a file names another attachment, host-local knows that the address is not free.
    fn write_all_files(&self) -> Result<(), Failure> {
        let directory = Directory::make(self.placement, self.network, self.site.lock_wait)?;
        for found in self.held()? {
            match directory.put(found.lease.address, &found.lease.attachment, None) {
                Ok(()) | Err(Failure::Taken { .. }) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Frees what earlier boots have left in a durable store, once in each boot: pods that come back find the addresses
    /// that they had.
    ///
    /// # Errors
    /// As [`Session::sweep`].
    pub fn free_earlier_boots(&mut self) -> Result<(), Failure> {
        if !self.store.table().header().has_earlier_boots {
            return Ok(());
        }
        self.sweep(Cause::Exhausted, None)?;
        self.store.settle()?;
        let mut table = self.store.table();
        table.forget_earlier_boots();
        let changes = table.into_changes();
        self.store.commit(changes)?.finished()
    }

    /// Sets how long freed addresses are left alone.
    #[must_use]
    pub fn with_quarantine(mut self, quarantine: Duration) -> Self {
        self.quarantine = quarantine;
        self
    }

    /// Returns until when an address that is freed at this time is left alone.
    pub fn until(&self) -> Millis {
        let millis = u64::try_from(self.quarantine.as_millis()).unwrap_or(u64::MAX);
        Millis(self.site.now.0.saturating_add(millis))
    }

    /// Returns what an attachment holds; what host-local wrote without an interface is held by all of the container's.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn held_by(&self, attachment: &Attachment) -> Result<Vec<Found>, Failure> {
        let table = self.store.table();
        let mut found = table.held_by(attachment)?;
        let any = Attachment::parse(attachment.container_id.as_str(), ANY_INTERFACE)?;
        if any != *attachment {
            found.extend(
                table.held_by(&any)?.into_iter().filter(|found| found.lease.is_of_any_interface()),
            );
        }
        Ok(found)
    }

    /// Frees the address of a held lease.
    ///
    /// # Errors
    /// host-local's file cannot be removed, or the store not be written; then nothing has changed in the store.
    pub fn give_back(&mut self, found: &Found) -> Result<(), Failure> {
        self.store.settle()?;
        self.forget_file(&found.lease)?;
        let (now, until) = (self.site.now, self.until());
        let mut table = self.store.table();
        table.release(found, now, until)?;
        let changes = table.into_changes();
        self.store.commit(changes)?.finished()
    }

    /// Removes host-local's file of a lease if there is one, whatever the configuration says at this time: where it says,
    /// and where the last ADD was told. Before the store forgets the lease, so that there is always somebody who remembers
    /// to.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn forget_file(&self, lease: &Lease) -> Result<(), Failure> {
        let mut placements = vec![self.placement.clone()];
        let present = Settings::new(self.placement, self.quarantine).checksum();
        if self.store.table().header().settings != present {
            let before = Settings::read(self.store.directory())?.placement();
            if before.data_dir != self.placement.data_dir {
                placements.push(before);
            }
        }
        for placement in placements {
            let path = placement.data_dir.join(self.network.as_str());
            let is_of = |holder: &Attachment| holder.container_id == lease.attachment.container_id;
            if !holder(&path, lease.address)?.is_some_and(|(attachment, _)| is_of(&attachment)) {
                continue;
            }
            if let Some(directory) = Directory::lock(&placement, self.network, self.site.lock_wait)?
            {
                directory.remove(lease.address, &lease.attachment)?;
            }
        }
        Ok(())
    }

    /// Frees the addresses of attachments that are proven dead, and returns them. `runtime` are the containers that the
    /// runtime knows, if it was asked.
    ///
    /// # Errors
    /// The store cannot be read or written; what was freed before stays so.
    pub fn sweep(
        &mut self,
        cause: Cause,
        runtime: Option<&BTreeSet<String>>,
    ) -> Result<Vec<Lease>, Failure> {
        let witnesses = Witnesses::new(self.site, self.network, self.placement, runtime)?;
        let used = self.store.table().header().used;
        let (first, count) = match cause {
            Cause::Exhausted => (0, used),
            Cause::Scarce(count) => (self.store.table().header().collected, count.min(used)),
        };
        let mut dead = Vec::new();
        self.store.settle()?;
        for slot in (0..count).map(|step| (first + step) % used.max(1)) {
            let lease = match self.store.table().in_slot(slot) {
                Err(Failure::Damaged { .. }) => continue,
                read => read?,
            };
            let Some(lease) = lease else { continue };
            if lease.is_held() && witnesses.ask(&lease).verdict() == Verdict::Free {
                self.give_back(&Found { slot, lease: lease.clone() })?;
                dead.push(lease);
            }
        }
        if let (Cause::Scarce(_), true) = (cause, used > 0) {
            self.store.settle()?;
            let mut table = self.store.table();
            table.set_collected((first + count) % used);
            let changes = table.into_changes();
            self.store.commit(changes)?.finished()?;
        }
        Ok(dead)
    }

    /// Returns all held leases but those in slots that are damaged in both files, which `portolan ipam verify` tells of.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn held(&self) -> Result<Vec<Found>, Failure> {
        let table = self.store.table();
        let mut all = Vec::new();
        for slot in 0..table.header().used {
            let lease = match table.in_slot(slot) {
                Err(Failure::Damaged { .. }) => continue,
                read => read?.filter(Lease::is_held),
            };
            all.extend(lease.map(|lease| Found { slot, lease }));
        }
        Ok(all)
    }

    /// Imports host-local's leases, once in the life of a store.
    fn import(&mut self) -> Result<(), Failure> {
        if self.store.table().header().is_imported {
            return Ok(());
        }
        let directory = Directory::lock(self.placement, self.network, self.site.lock_wait)?;
        let Some(directory) = directory else { return Ok(()) };
        let witnesses = Witnesses::new(self.site, self.network, self.placement, None)?;
        for imported in directory.entries()? {
            self.import_entry(&imported, &witnesses)?;
        }
        let mut table = self.store.table();
        table.set_imported();
        let changes = table.into_changes();
        self.store.commit(changes)?.finished()
    }

    fn import_entry(
        &mut self,
        imported: &Imported,
        witnesses: &Witnesses<'_>,
    ) -> Result<(), Failure> {
        let mut table = self.store.table();
        let (address, attachment) = match &imported.entry {
            Entry::Last(_, address) => {
                let range = table.header().range_of(Family::of(*address), number(*address));
                if let Some(range) = range {
                    table.advance(range, number(*address));
                }
                let changes = table.into_changes();
                return self.store.commit(changes)?.finished();
            }
            Entry::Lease(address, attachment) => (*address, attachment.clone()),
            // No container has it: host-local was cut short before it could have answered.
            Entry::Leaked(_) | Entry::Other => return Ok(()),
        };
        if table.at(address)?.is_some() {
            return Ok(());
        }
        let lease = Lease::imported(address, attachment, imported.written);
        if witnesses.ask(&lease).verdict() == Verdict::Free {
            return Ok(());
        }
        self.adopt(lease)
    }

    /// Imports who has an address by host-local's file, if it is another attachment than the one that asks: host-local
    /// may have been used again since the import. Returns whether it is.
    ///
    /// # Errors
    /// The file cannot be read, or the store not be written.
    pub fn adopt_holder(&mut self, address: IpAddr, asking: &Attachment) -> Result<bool, Failure> {
        let path = self.placement.data_dir.join(self.network.as_str());
        let Some((attachment, written)) = holder(&path, address)? else { return Ok(false) };
        if attachment == *asking {
            return Ok(false);
        }
        let lease = Lease::imported(address, attachment, written);
        let witnesses = Witnesses::new(self.site, self.network, self.placement, None)?;
        if witnesses.ask(&lease).verdict() == Verdict::Free {
            self.forget_file(&lease)?;
            return Ok(false);
        }
        self.adopt(lease)?;
        Ok(true)
    }

    fn adopt(&mut self, lease: Lease) -> Result<(), Failure> {
        self.store.make_room_for(1)?;
        let mut table = self.store.table();
        match table.at(lease.address)? {
            Some(found) => table.hold(found.slot, lease)?,
            None => table.insert(lease)?,
        }
        let changes = table.into_changes();
        self.store.commit(changes)?.finished()
    }
}
