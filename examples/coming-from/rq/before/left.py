from shop import default, mail

left = 0
for queue in (default, mail):
    left += len(queue) + queue.started_job_registry.count
    left += queue.scheduled_job_registry.count + queue.deferred_job_registry.count
print(left, "left")
