from shop import app

with app.open():
    queues = app.job_manager.list_queues()
print(sum(queue["todo"] + queue["doing"] for queue in queues), "left")
