//! What functions such as `current_setting` see of their session.

use std::sync::{Arc, Weak};

use crate::description::{CatalogDescription, ObjectNames, SessionFacts};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::release::Release;
use crate::session::temporary::ALIAS;
use crate::session::{Session, Shared};

/// See the module. It does not keep the engine alive.
#[derive(Debug)]
pub(crate) struct Facts {
    user: String,
    owner: bool,
    pid: i32,
    shared: Arc<Shared>,
    engine: Weak<Engine>,
    catalog: Arc<CatalogDescription>,
}

impl Facts {
    pub(crate) fn new(session: &Session, release: &Release) -> Self {
        Self {
            user: session.login.user.clone(),
            owner: session.owner,
            pid: session.login.pid,
            shared: Arc::clone(&session.shared),
            engine: Arc::downgrade(&session.engine),
            catalog: session.described(release),
        }
    }
}

impl Session {
    /// What objects are called; none where no front serves them.
    pub fn object_names(&self) -> Option<Arc<dyn ObjectNames>> {
        let front = self.engine.front()?;
        let pinned = self.shared.transaction.lock().pinned();
        let release = pinned.unwrap_or_else(|| self.engine.release());
        Some(front.object_names(Arc::new(Facts::new(self, &release))))
    }
}

impl SessionFacts for Facts {
    fn current_user(&self) -> String {
        self.user.clone()
    }

    fn session_user(&self) -> String {
        self.user.clone()
    }

    fn backend_pid(&self) -> i32 {
        self.pid
    }

    fn current_schemas(&self) -> Vec<String> {
        let path = self.shared.settings.lock().search_path();
        let own = self.catalog.schemas.iter().find(|schema| schema.temporary);
        path.into_iter()
            .map(|name| match own {
                Some(own) if name == ALIAS => own.name.clone(),
                _ => name,
            })
            .filter(|name| {
                name == "pg_catalog" || self.catalog.schemas.iter().any(|schema| &schema.name == name)
            })
            .collect()
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.shared.settings.lock().value(name).ok()
    }

    fn change_setting(&self, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        let mut settings = self.shared.settings.lock();
        match value {
            Some(value) => settings.set(name, value, local),
            None => settings.set_default(name, local),
        }
    }

    fn catalog(&self) -> Arc<CatalogDescription> {
        Arc::clone(&self.catalog)
    }

    fn signal(&self, pid: i32, terminate: bool) -> Result<bool> {
        match self.engine.upgrade() {
            Some(engine) => engine.sessions().signal(&self.user, self.owner, pid, terminate),
            None => Ok(false),
        }
    }
}

impl From<Error> for datafusion::common::DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}
