/* commands.h: what each command does; the table in commands.c describes them. Only for the cli room. */
#ifndef FARTHING_CLI_COMMANDS_H
#define FARTHING_CLI_COMMANDS_H

#include "cli/command.h"

extern const struct flag import_flags[];

enum exit_code command_init(struct invocation *invocation);
enum exit_code command_serve(struct invocation *invocation);
enum exit_code command_tenant_create(struct invocation *invocation);
enum exit_code command_tenant_list(struct invocation *invocation);
enum exit_code command_tenant_suspend(struct invocation *invocation);
enum exit_code command_tenant_resume(struct invocation *invocation);
enum exit_code command_environment_create(struct invocation *invocation);
enum exit_code command_environment_list(struct invocation *invocation);
enum exit_code command_user_create(struct invocation *invocation);
enum exit_code command_user_list(struct invocation *invocation);
enum exit_code command_user_set_password(struct invocation *invocation);
enum exit_code command_key_create(struct invocation *invocation);
enum exit_code command_key_list(struct invocation *invocation);
enum exit_code command_key_revoke(struct invocation *invocation);
enum exit_code command_check(struct invocation *invocation);
enum exit_code command_backup(struct invocation *invocation);
enum exit_code command_restore(struct invocation *invocation);
enum exit_code command_migrate(struct invocation *invocation);
enum exit_code command_copy(struct invocation *invocation);
enum exit_code command_customer_get(struct invocation *invocation);
enum exit_code command_customer_export(struct invocation *invocation);
enum exit_code command_customer_erase(struct invocation *invocation);
enum exit_code command_customer_search(struct invocation *invocation);
enum exit_code command_audit_verify(struct invocation *invocation);
enum exit_code command_outbox_list(struct invocation *invocation);
enum exit_code command_outbox_follow(struct invocation *invocation);
enum exit_code command_secret_list(struct invocation *invocation);
enum exit_code command_secret_rotate(struct invocation *invocation);
enum exit_code command_secret_accept(struct invocation *invocation);
enum exit_code command_log_level(struct invocation *invocation);
enum exit_code command_config_example(struct invocation *invocation);
enum exit_code command_config_check(struct invocation *invocation);
enum exit_code command_config_show(struct invocation *invocation);
enum exit_code command_doctor(struct invocation *invocation);
enum exit_code command_import_customers(struct invocation *invocation);
enum exit_code command_completion(struct invocation *invocation);
enum exit_code command_manual(struct invocation *invocation);
enum exit_code command_version(struct invocation *invocation);

#endif
