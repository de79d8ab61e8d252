from django.urls import path

from orders import views

urlpatterns = [
    path("", views.counter, name="counter"),
    path("order/", views.order, name="order"),
    path("remind/", views.remind, name="remind"),
    path("order/<str:task_id>/", views.progress, name="progress"),
]
