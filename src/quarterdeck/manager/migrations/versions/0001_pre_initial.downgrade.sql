-- Back to an empty database.

DROP FUNCTION create_session, can_host;
DROP TABLE session_history, allocations, kernel_removals, kernels, session_logs, session_mounts, sessions,
    tree_rescopes, tree_removals, folder_invitations, folder_history, folders, folder_transitions, storage_host_permissions, storage_hosts, agents, rescan_results, rescans,
    image_variants, images, registries, keypairs, users;
DROP FUNCTION folder_permission, keep_last_names(), guard_folder_status(), record_folder(), announce_keypair(), guard_command(), session_begins(), session_changes(), forget_history(),
    name_kernel(), kernel_begins(), kernel_changes(), session_steps, kernel_steps, guard_allocation(), place_sessions, can_run, isolates, end_session, dependencies_met,
    kernel_runs, kernel_ended, force_end_session, restart_session, peers_of;
DROP DOMAIN positive, isolation_level, session_type, kernel_role, kernel_index, cluster_size;
