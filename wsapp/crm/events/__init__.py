"""Events (事件): one row is timeline, audit log and the cause of all that follows."""
