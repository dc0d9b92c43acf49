SET LOCAL ROLE rowhouse_owner;
DROP TRIGGER tenants_tell_plan_changed ON tenants;
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.set_tenant_feature(text, text, boolean), directory.tell_plan_changed(),
    directory.tenant_plan(uuid);
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
ALTER TABLE tenants DROP COLUMN features;
SET LOCAL ROLE NONE;
