from django.contrib import admin

from orders.models import Day, Order


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["customer", "loaves", "ordered_at", "baked_at"]


@admin.register(Day)
class DayAdmin(admin.ModelAdmin):
    list_display = ["date", "loaves"]
