"""Corps, departments, members (企业、部门、成员): who works here, who may see whom."""
