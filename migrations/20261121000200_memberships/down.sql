SET LOCAL ROLE rowhouse_owner;
DROP TABLE memberships;
DROP FUNCTION memberships_role_change();
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_tenancy;
DROP FUNCTION tenancy.copy_member();
DROP TABLE tenancy.member;
SET LOCAL ROLE NONE;
