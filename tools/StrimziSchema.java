import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.BeanPropertyDefinition;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.TreeMap;

/** Prints a JSON schema of Strimzi's resources, read off the classes of its API jar. */
public final class StrimziSchema {
    private static final ObjectMapper JSON = new ObjectMapper();
    private final TreeMap<String, ObjectNode> definitions = new TreeMap<>();

    public static void main(String[] resources) throws Exception {
        StrimziSchema made = new StrimziSchema();
        ObjectNode root = JSON.createObjectNode();
        ObjectNode kinds = root.putObject("kinds");
        for (String name : resources) {
            Class<?> type = Class.forName(name);
            String version = ((java.util.List<?>) type.getField("VERSIONS").get(null)).get(0).toString();
            kinds.set("kafka.strimzi.io/" + version + " " + type.getSimpleName(), made.schemaOf(JSON.constructType(type)));
        }
        root.set("definitions", JSON.valueToTree(made.definitions));
        System.out.println(JSON.writeValueAsString(root));
    }

    private ObjectNode schemaOf(JavaType type) throws Exception {
        Class<?> raw = type.getRawClass();
        ObjectNode found = JSON.createObjectNode();
        if (raw == String.class) {
            return found.put("type", "string");
        } else if (raw == Boolean.class || raw == boolean.class) {
            return found.put("type", "boolean");
        } else if (raw == Integer.class || raw == int.class || raw == Long.class || raw == long.class) {
            return found.put("type", "integer");
        } else if (raw == Double.class || raw == double.class || raw == Float.class || raw == float.class) {
            return found.put("type", "number");
        } else if (raw.isEnum()) {
            found.put("type", "string");
            ArrayNode values = found.putArray("enum");
            for (Object each : raw.getEnumConstants()) {
                values.add(JSON.valueToTree(each));
            }
            return found;
        } else if (type.isMapLikeType()) {
            found.put("type", "object");
            found.set("additionalProperties", schemaOf(type.getContentType()));
            return found;
        } else if (type.isArrayType() || type.isCollectionLikeType()) {
            found.put("type", "array");
            found.set("items", schemaOf(type.getContentType()));
            return found;
        } else if (raw.getName().startsWith("io.strimzi.")) {
            return found.put("$ref", "#/definitions/" + define(type));
        } else if (raw.getName().startsWith("io.fabric8.kubernetes.api.model.")) {
            return found.put("kubernetes", raw.getSimpleName());
        }
        return found;
    }

    private String define(JavaType type) throws Exception {
        Class<?> raw = type.getRawClass();
        String name = raw.getSimpleName();
        if (definitions.containsKey(name)) {
            return name;
        }
        ObjectNode made = JSON.createObjectNode();
        definitions.put(name, made);
        JsonSubTypes kinds = raw.getDeclaredAnnotation(JsonSubTypes.class);
        if (kinds != null) {
            ArrayNode choices = made.putArray("oneOf");
            String property = raw.getAnnotation(JsonTypeInfo.class).property();
            for (JsonSubTypes.Type each : kinds.value()) {
                String of = define(JSON.constructType(each.value()));
                ((ObjectNode) definitions.get(of).get("properties")).putObject(property).put("const", each.name());
                ArrayNode required = (ArrayNode) definitions.get(of).get("required");
                required.add(property);
                choices.addObject().put("$ref", "#/definitions/" + of);
            }
            return name;
        }
        made.put("type", "object");
        made.put("additionalProperties", false);
        ObjectNode properties = made.putObject("properties");
        ArrayNode required = made.putArray("required");
        for (BeanPropertyDefinition each : JSON.getDeserializationConfig().introspect(type).findProperties()) {
            if (!each.getName().equals("additionalProperties") && (each.hasSetter() || each.hasField() || each.hasConstructorParameter())) {
                properties.set(each.getName(), schemaOf(each.getPrimaryType()));
                if (each.isRequired()) {
                    required.add(each.getName());
                }
            }
        }
        return name;
    }
}
