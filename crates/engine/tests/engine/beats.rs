//! A run says that it lives while it waits for a connector.

use engine::resolve::Role;
use engine::store::StoreChoice;
use testkit::postgres::Cluster;
use testkit::wait::until;

use crate::house::{ECHO, GOOD_READ, House};

#[tokio::test]
async fn a_setup_that_takes_longer_than_a_lease_keeps_it() {
    let database = Cluster::shared().create_database().await;
    let mut house = House::new(GOOD_READ, ECHO);
    house.store = StoreChoice::Postgres(format!("{}?schema=s", database.url()));
    assert_eq!(house.run().await.0.exit, 0, "the first run makes the lease's table");
    let (began, go) = (house.path("began"), house.path("go"));
    let wait =
        format!("touch {}; until [ -f {} ]; do sleep 0.1; done", began.display(), go.display());
    house.script(Role::Destination, &format!("setup) {wait}; exit;;\nwrite) {ECHO}\n;;"));
    let watch = async {
        until("setup has begun", async || began.exists()).await;
        database.execute("UPDATE s._sync_lease SET heartbeat_at = now() - interval '15 s'").await;
        let old =
            "SELECT count(*)::text FROM s._sync_lease WHERE heartbeat_at < now() - interval '14 s'";
        until("it is kept", async || database.column(old).await == ["0"]).await;
        std::fs::write(&go, "").unwrap();
    };
    let ((outcome, _), ()) = tokio::join!(house.run(), watch);
    assert_eq!(outcome.exit, 0, "{:?}", outcome.ending);
}
