SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.hold_own_membership();
SET LOCAL ROLE NONE;
